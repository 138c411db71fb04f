"""
The gate of one request: asked right before its first byte, and passed at most once.

Every transport passes the `RequestGate` that a request carries. This alone, and
no exception's name, separates Unsent from Unknown.
"""

from enum import Enum, auto

import httpx

from dispatcher.providers.contract import Gate

_EXTENSION_KEY = "dispatcher.request_gate"


class _Stage(Enum):
    WAITING = auto()  # nothing is written; the call waits for a connection
    WRITTEN = auto()  # the first byte may have been sent
    CLOSED = auto()  # nothing is written, and nothing will be


class GateClosed(httpx.TransportError):
    """The gate was closed, or the request was written or given up before."""


class RequestGate:
    """
    Lets one request out, at most once.

    A client that retries by itself, as aiohttp does for idempotent methods on
    a connection that was kept alive, is stopped at the second `begin_writing`.
    """

    __slots__ = ("_gate", "_stage", "gate_was_closed")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._stage = _Stage.WAITING
        self.gate_was_closed = False

    @staticmethod
    def of(request: httpx.Request) -> "RequestGate":
        """Return the gate that this request carries."""
        gate: RequestGate = request.extensions[_EXTENSION_KEY]
        return gate

    def attach_to(self, request: httpx.Request) -> None:
        """Make this request carry the gate."""
        request.extensions = {**request.extensions, _EXTENSION_KEY: self}

    def begin_writing(self) -> None:
        """
        Raise GateClosed if the request must not be written.

        The caller writes the first byte directly after this call.
        """
        if self._stage is not _Stage.WAITING:
            raise GateClosed("this request was already written or given up")
        if not self._gate():
            self._stage = _Stage.CLOSED
            self.gate_was_closed = True
            raise GateClosed("the gate was closed")
        self._stage = _Stage.WRITTEN

    def mark_unwritten(self) -> None:
        """Undo `begin_writing`: the transport knows that it wrote nothing."""
        self._stage = _Stage.CLOSED

    def give_up(self) -> bool:
        """End the call, so that nothing is written from now on, and return whether nothing was written."""
        if self._stage is _Stage.WAITING:
            self._stage = _Stage.CLOSED
        return self._stage is _Stage.CLOSED
