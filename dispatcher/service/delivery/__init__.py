"""Use cases that take messages from a lane to a provider and write the outcomes."""
