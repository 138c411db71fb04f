"""`dispatcher doctor`: checks, what each found, and what to do about it."""
