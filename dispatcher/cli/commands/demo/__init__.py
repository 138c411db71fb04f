"""`dispatcher demo`: sends a few hundred messages through a stack of its own, and checks how each ended."""
