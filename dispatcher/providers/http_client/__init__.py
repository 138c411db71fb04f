"""HTTP to providers, where it matters whether a byte was written."""
