"""Proxies in front of the API: which are believed, what they report, and below which path they serve it."""
