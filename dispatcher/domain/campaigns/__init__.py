"""Campaigns as values: recipients from CSV, pacing, recurrence, timetables."""
