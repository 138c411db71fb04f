"""The `http` plug-in: any provider that takes a message in an HTTP request, without code."""

from dispatcher.providers.generic_http.provider import HttpProvider

__all__ = ["HttpProvider"]
