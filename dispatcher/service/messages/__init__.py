"""Use cases: reading and changing messages."""
