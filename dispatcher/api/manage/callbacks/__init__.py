"""Management endpoints: callbacks and webhooks."""
