"""Use cases for messages from handsets."""
