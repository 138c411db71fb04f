"""Statements: messages from handsets."""
