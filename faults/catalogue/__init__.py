"""The faults, how each is struck, and the schedule of a run."""
