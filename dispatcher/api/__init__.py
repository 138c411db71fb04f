"""The HTTP side: a front that picks the application, the dialects, receipts and health."""
