"""Accounts as values: who calls, with which credential, within which limits."""
