"""
The way one request goes out: asked at the gate right before its first byte, and written at most once.

Each wire passes through the `Passage` that a request carries; that alone, and
no exception's name, tells Unsent from Unknown.
"""

from enum import Enum, auto

import httpx

from dispatcher.domain.delivery.provider import Gate

_EXTENSION_KEY = "dispatcher.passage"


class _Stage(Enum):
    WAITING = auto()  # nothing is written; the call waits for a connection
    WRITTEN = auto()  # the first byte may be on its way
    SHUT = auto()  # nothing is written, and nothing will be


class GateClosed(httpx.TransportError):
    """The gate was closed, or this call was written or given up before."""


class RequestGate:
    """
    The way one request goes out, at most once.

    A client that retries by itself, as aiohttp does for idempotent methods on
    a connection that was kept alive, is stopped at the second `enter`.
    """

    __slots__ = ("_gate", "_stage", "gate_was_closed")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._stage = _Stage.WAITING
        self.gate_was_closed = False

    @staticmethod
    def of(request: httpx.Request) -> "RequestGate":
        """Find the passage that this request carries."""
        passage: RequestGate = request.extensions[_EXTENSION_KEY]
        return passage

    def carried_by(self, request: httpx.Request) -> None:
        """Let this request go out through here."""
        request.extensions = {**request.extensions, _EXTENSION_KEY: self}

    def enter(self) -> None:
        """Ask the gate; the very next thing must be the first byte. Raises where it must not be written."""
        if self._stage is not _Stage.WAITING:
            raise GateClosed("this request was already written or given up")
        if not self._gate():
            self._stage = _Stage.SHUT
            self.gate_was_closed = True
            raise GateClosed("the gate was closed")
        self._stage = _Stage.WRITTEN

    def never_written(self) -> None:
        """Take `enter` back: what came after it knows that it wrote nothing."""
        self._stage = _Stage.SHUT

    def give_up(self) -> bool:
        """End the call: nothing is written from here on. Tell whether nothing was written before."""
        if self._stage is _Stage.WAITING:
            self._stage = _Stage.SHUT
        return self._stage is _Stage.SHUT
