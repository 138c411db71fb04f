"""The HTTP API: a router, and the applications behind it: the dialects, management, receipts and health."""
