"""Messages as values: status, tier, window, text, and what an edit makes of one."""
