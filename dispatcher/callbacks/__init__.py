"""Callbacks on the wire: signatures, and HTTP calls to URLs that producers chose."""
