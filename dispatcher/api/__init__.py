"""The HTTP API: a router, and behind it the dialects, management, receipts and health."""
