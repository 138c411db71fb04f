"""Accounts as values: callers, credentials and limits."""
