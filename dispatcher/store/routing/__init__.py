"""Statements: routes, providers and overrides."""
