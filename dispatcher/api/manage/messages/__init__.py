"""Management endpoints: messages and batches."""
