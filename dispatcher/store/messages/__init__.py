"""Statements: reading and changing messages."""
