"""The auditor: what is known after a run, and which promises it breaks."""
