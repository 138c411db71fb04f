"""Use cases: callbacks and webhooks."""
