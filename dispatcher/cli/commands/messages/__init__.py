"""Commands: messages and batches."""
