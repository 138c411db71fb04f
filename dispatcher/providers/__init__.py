"""Plug-ins for providers, found by entry point. `contract.py` has the types that a plug-in needs."""
