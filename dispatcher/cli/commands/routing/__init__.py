"""Commands on providers and routes."""
