"""Use cases: messages from handsets."""
