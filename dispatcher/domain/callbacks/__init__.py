"""Callbacks as values: the events, the request and the reply."""
