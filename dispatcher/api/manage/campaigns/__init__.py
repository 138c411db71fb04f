"""Management endpoints: campaigns and audiences."""
