"""
Limits of HTTP connections: the size of a head, the time for a head and a body, and how many may be open.

They apply before a request reaches the application, so that connections
without a credential cost little.
"""

import asyncio
import resource
import time
from datetime import timedelta
from http import HTTPStatus
from typing import ClassVar

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dispatcher.deadlines import Deadlines

log = structlog.get_logger()

MAX_HEAD = 64 * 1024
"""The most octets of a request's line and headers."""

HEAD_TIME = timedelta(seconds=10)
"""How long a head may take, from the connection or its first octet."""

BODY_TIME = timedelta(seconds=30)
"""How long each MIN_BODY octets of a body may take."""

MIN_BODY = 256 * 1024

_RESERVED_DESCRIPTORS = 256  # for Postgres, Redis, callbacks and files
_MOST_CONNECTIONS = 10_000
_LOG_EVERY = timedelta(seconds=10)


class ConnectionLimits:
    """The limits of one process, and its connections whose head has not come; at most `most` may be open."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.heads = Deadlines(HEAD_TIME.total_seconds())
        self.bodies = Deadlines(BODY_TIME.total_seconds())
        self._log_after = 0.0

    def protocol(self) -> type[asyncio.Protocol]:
        """Return the protocol of connections, for uvicorn."""
        return type("Protocol", (LimitedProtocol,), {"limits": self})

    def is_full(self, connections: int) -> bool:
        """Return whether a connection must be closed, and log that at intervals."""
        if connections <= self.most:
            return False
        now = time.monotonic()
        if now >= self._log_after:
            self._log_after = now + _LOG_EVERY.total_seconds()
            log.warning("connections_full", most=self.most, waiting_for_heads=len(self.heads))
        return True

    def close_oldest(self) -> None:
        """Close the connection whose head has been waited for the longest."""
        oldest = self.heads.oldest()
        if isinstance(oldest, LimitedProtocol):
            self.heads.stop(oldest)
            oldest.transport.abort()


def connection_limits() -> ConnectionLimits:
    """Raise this process's limit of descriptors as far as it may, and return limits that stay below it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_CONNECTIONS + _RESERVED_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    usable = wanted if soft == resource.RLIM_INFINITY else soft
    return ConnectionLimits(min(_MOST_CONNECTIONS, max(usable - _RESERVED_DESCRIPTORS, usable // 2)))


class LimitedProtocol(HttpToolsProtocol):
    """
    A connection with limits.

    When too many are open, the one whose head has been waited for the longest
    is closed. A body that arrives too slowly is not waited for either, except
    while the application itself is slow to read it.
    """

    limits: ClassVar[ConnectionLimits]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for the first head; close a connection if too many are open."""
        super().connection_made(transport)
        self._in_head, self._head_size = True, 0
        self._body = _BodyDeadline(self)
        self.limits.heads.start(self)
        if self.limits.is_full(len(self.connections)):
            self.limits.close_oldest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadlines."""
        self.limits.heads.stop(self)
        self.limits.bodies.stop(self._body)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a part of a request, or of several."""
        if self._in_head:
            self._head_size += len(data)
        else:
            self._body.received += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if not self._in_head:
            self.limits.bodies.start(self._body)
        elif self._head_size > MAX_HEAD:
            self._refuse(431)
        elif self._head_size:
            self.limits.heads.start(self)

    def on_headers_complete(self) -> None:
        """Start the request. Raises ValueError, which uvicorn reports to the client, for a large head."""
        self._in_head = False
        self.limits.heads.stop(self)
        # The size includes what came after the head at the same time.
        if self._head_size > MAX_HEAD and self._size() > MAX_HEAD:
            raise ValueError("the head is too large")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for the next head."""
        super().on_message_complete()
        self._in_head, self._head_size = True, 0
        self.limits.bodies.stop(self._body)

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that could not be read."""
        if self._head_size > MAX_HEAD:
            self._refuse(431)
        else:
            super().send_400_response(msg)

    def expire(self) -> None:
        """Stop waiting for a head."""
        if self._head_size:
            self._refuse(408)
        else:
            self.transport.close()

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse(self, status: int) -> None:
        """Answer with a status and close the connection."""
        phrase = HTTPStatus(status).phrase
        head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: text/plain\r\nconnection: close\r\n"
        self.transport.write(f"{head}content-length: {len(phrase)}\r\n\r\n{phrase}".encode())
        self.transport.close()


class _BodyDeadline:
    """The deadline of each part of a body."""

    __slots__ = ("_protocol", "received")

    def __init__(self, protocol: LimitedProtocol) -> None:
        self._protocol = protocol
        self.received = 0

    def expire(self) -> None:
        """Close the connection unless enough of the body has arrived."""
        protocol = self._protocol
        if self.received >= MIN_BODY or protocol.flow.read_paused:
            self.received = 0
            protocol.limits.bodies.start(self)
        else:
            log.warning("body_too_slow", client=protocol.client and protocol.client[0])
            protocol.transport.abort()
