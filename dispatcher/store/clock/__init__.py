"""Statements: what is due, late or stuck."""
