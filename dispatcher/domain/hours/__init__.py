"""Allowed hours, time zones, and wall-clock time."""
