"""Commands: providers and routes."""
