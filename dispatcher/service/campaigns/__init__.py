"""Use cases: audiences, campaigns, their runs and progress."""
