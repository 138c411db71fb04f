"""An HTTP client that knows for each request whether a byte of it was written."""
