"""Use cases: events on their way to producers."""
