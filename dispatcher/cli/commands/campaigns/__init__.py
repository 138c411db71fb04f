"""Commands on campaigns and audiences."""
