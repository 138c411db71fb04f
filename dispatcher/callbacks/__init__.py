"""Callbacks on the wire: how an event is signed, and how it is posted to a URL that a stranger chose."""
