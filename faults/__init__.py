"""Faults struck at a running stack under load, and an auditor of what is left: `python -m faults --help`."""
