"""Commands: campaigns and audiences."""
