"""Use cases from a request to committed rows."""
