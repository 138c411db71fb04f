"""Statements: audiences, runs and their progress."""
