"""Use cases: what is due, late or stuck."""
