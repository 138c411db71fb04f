"""The `http` plug-in: any provider with an HTTP API, described by options instead of code."""

from dispatcher.providers.generic_http.provider import HttpProvider

__all__ = ["HttpProvider"]
