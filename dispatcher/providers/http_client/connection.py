"""One HTTP/1.1 connection: httptools parses, asyncio or uvloop transfers, and a request is one write."""

import asyncio
from typing import Final, NamedTuple, Protocol, cast

import httptools
import httpx

from dispatcher.providers.http_client.request_gate import RequestGate
from dispatcher.providers.http_client.unasked import has_arrived, is_unacknowledged

MAX_HEAD: Final = 64 * 1024
MAX_RESPONSE: Final = 1024 * 1024
"""The most bytes of one response, framing included. No response to one message is longer."""


class RawResponse(NamedTuple):
    """Status, headers and body, as they were received."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class ConnectionOwner(Protocol):
    """The pool that a connection belongs to."""

    @property
    def connected(self) -> set["HttpConnection"]:
        """All connections that are connected; each adds itself."""

    def forget(self, connection: "HttpConnection") -> None:
        """Remove a connection that is closed."""


class HttpConnection(asyncio.BufferedProtocol):
    """
    One connection, one exchange at a time.

    It stays open only after a complete response with nothing behind it, when
    everything is written and neither side asked to close. Bytes that arrive
    without a request close it. On a connection that was used before, an answer
    that comes sooner than it can, or with more behind it, is no answer: it may
    be a second one to the request before.
    """

    def __init__(self, pool: ConnectionOwner, buffer: memoryview) -> None:
        self._pool = pool
        self._buffer = buffer
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[RawResponse] | None = None
        self._exchanges = 0
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self.is_open = False

    async def exchange(self, data: bytes, gate: RequestGate, *, has_body: bool) -> RawResponse:
        """
        Write one request in one piece, if its gate is open, and return the response.

        `has_body` is False for a response to HEAD: it has no body, whatever its headers say.
        """
        gate.begin_writing()
        self._transport.write(data)
        self._exchanges += 1
        self._has_body = has_body
        self._in_body = self._has_more = False
        self._received = 0
        self._limit = MAX_HEAD
        self._response: RawResponse | None = None
        self._waiter = self._loop.create_future()
        try:
            return await self._waiter
        finally:
            self._waiter = None
            if self._response is None:
                self.abort()

    def is_usable(self) -> bool:
        """Whether a request can be written: it is open, and nothing arrived since the last response."""
        if self.is_open and self._exchanges and has_arrived(self._transport):
            self.abort()
        return self.is_open

    def abort(self) -> None:
        """Close the connection now, even in the middle of an exchange."""
        self.is_open = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start parsing (called by asyncio)."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._parser: httptools.HttpResponseParser | None = _response_parser(self)
        self._pool.connected.add(self)
        self.is_open = True

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer to read into (called by asyncio)."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Parse the bytes that were read (called by asyncio)."""
        if self._waiter is None or self._waiter.done() or self._parser is None:
            self.abort()  # bytes without a request
            return
        if self._exchanges > 1 and not self._received and is_unacknowledged(self._transport):
            self._fail(httpx.RemoteProtocolError("the response came before the request had arrived"))
            return
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(httpx.RemoteProtocolError(f"the response is not HTTP/1.1: {error}"))
            return
        self._received += nbytes
        if self._received > self._limit:
            self._fail(httpx.RemoteProtocolError(f"the response is longer than {self._limit} bytes"))
        elif self._has_more and self._exchanges > 1:
            self._response = None
            self._fail(httpx.RemoteProtocolError("two responses came to one request"))
        elif self._response is not None:
            self._waiter.set_result(self._response)

    def eof_received(self) -> None:
        """Mark the connection as closing (called by asyncio, which then closes it)."""
        self.is_open = False

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange (called by asyncio)."""
        if self._waiter is not None and not self._waiter.done():
            if exc is None and self._ends_with_connection():
                self._response = self._read_so_far()
                self._waiter.set_result(self._response)
            else:
                when = "in the middle of the response" if self._received else "before a response"
                self._fail(httpx.ReadError(f"the connection was closed {when}"))
        self.is_open = False
        self._parser = None  # breaks the reference cycle
        self._pool.forget(self)
        self.gone.set_result(None)

    def on_message_begin(self) -> None:
        """
        Start a response (called by httptools).

        A second response has no request, so its connection is not used again.
        """
        if self._response is not None:
            self.is_open = False
            self._has_more = True
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._in_body = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header, but not a trailer (called by httptools)."""
        if not self._in_body:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Expect the body (called by httptools)."""
        self._in_body = True
        self._limit = MAX_RESPONSE
        if not self._has_body and self._response is None and self._status() >= 200:
            self._response = self._read_so_far()
            self.is_open = False  # the parser waits for a body

    def on_body(self, body: bytes) -> None:
        """Store a chunk of the body (called by httptools)."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """End a response (called by httptools), unless it is 1xx: the final one follows."""
        assert self._parser is not None
        if self._status() < 200:
            self._in_body = False
        elif self._response is None:
            self._response = self._read_so_far()
            if not self._parser.should_keep_alive() or self._transport.get_write_buffer_size():
                self.is_open = False

    def _status(self) -> int:
        assert self._parser is not None
        return self._parser.get_status_code()

    def _read_so_far(self) -> RawResponse:
        return RawResponse(self._status(), self._headers, b"".join(self._body))

    def _ends_with_connection(self) -> bool:
        """Whether the end of the connection ends the response: it has no length (RFC 9112, 6.3)."""
        return self._in_body and not any(name.lower() in _LENGTH_HEADERS for name, _ in self._headers)

    def _fail(self, error: httpx.TransportError) -> None:
        self.abort()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)


_LENGTH_HEADERS: Final = (b"content-length", b"transfer-encoding")


def _response_parser(connection: HttpConnection) -> httptools.HttpResponseParser:
    """
    Return a parser that accepts deviations which cannot be misread.

    Old gateways end lines in LF alone, and write odd characters in headers and
    blanks behind a chunk's size. aiohttp accepts these too.
    """
    parser = httptools.HttpResponseParser(connection)
    parser.set_dangerous_leniencies(
        lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
    )
    return parser
