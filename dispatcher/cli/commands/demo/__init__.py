"""`dispatcher demo`: a stack of its own, a few hundred messages, and whether each ended as it should."""
