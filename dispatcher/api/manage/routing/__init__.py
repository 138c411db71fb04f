"""Management endpoints: providers and routes."""
