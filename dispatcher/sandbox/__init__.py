"""A simulated SMSC, in a process of its own; `docs/sandbox.md` explains its use."""

from dispatcher.sandbox.provider_options import http_options, smpp_options
from dispatcher.sandbox.server import SandboxServers, create_app, run, serving, serving_both
from dispatcher.sandbox.settings import SandboxSettings

__all__ = [
    "SandboxServers",
    "SandboxSettings",
    "create_app",
    "http_options",
    "run",
    "serving",
    "serving_both",
    "smpp_options",
]
