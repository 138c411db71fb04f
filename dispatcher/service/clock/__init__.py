"""Use cases for messages that are due, late or stuck."""
