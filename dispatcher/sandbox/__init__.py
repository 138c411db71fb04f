"""A simulated SMSC, in a process of its own: `docs/sandbox.md` says how to use it."""

from dispatcher.sandbox.recipe import http_options
from dispatcher.sandbox.server import create_app, run, serving
from dispatcher.sandbox.settings import Settings

__all__ = ["Settings", "create_app", "http_options", "run", "serving"]
