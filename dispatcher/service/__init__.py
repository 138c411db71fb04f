"""The use cases, and the only place that opens a transaction."""
