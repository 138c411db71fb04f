"""Use cases: what providers report later."""
