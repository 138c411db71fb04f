"""Sending as values: the provider's contract, an attempt, its outcome, and when to try again."""
