"""Ways out: one plug-in a file, found by entry point."""
