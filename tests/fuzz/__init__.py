"""Parsers fed with anything: no other exception than the documented ones, in bounded time."""
