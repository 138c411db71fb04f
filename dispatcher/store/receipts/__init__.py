"""Statements: what providers report later."""
