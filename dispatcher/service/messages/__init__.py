"""Use cases: search, history, explanation and edits of messages."""
