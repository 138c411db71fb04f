"""`dispatcher demo`: a stack of its own, a few hundred messages of all kinds, and whether each ended as it should."""
