"""A package for each HTTP dialect, which only translates."""
