"""Use cases for receipts, which providers report later."""
