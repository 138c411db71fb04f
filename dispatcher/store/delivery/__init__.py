"""Statements: from a lane to a provider and back."""
