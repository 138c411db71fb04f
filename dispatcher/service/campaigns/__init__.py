"""Use cases: audiences, runs and their progress."""
