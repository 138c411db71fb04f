"""`python -m bench [--quick]`: run the trials, print one table, write docs/benchmarks.md."""
