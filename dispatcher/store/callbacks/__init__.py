"""Statements: events on their way to producers."""
