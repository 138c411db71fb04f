"""Statements: from a request to committed rows."""
