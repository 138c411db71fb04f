"""
HTTP/1.1 for many calls at once to one provider, where the cost of a call is what counts.

httptools reads, asyncio or uvloop carries, a request is one write. A call that
finds no free connection waits its turn; taking and giving back cost the same
however many there are. An answer that breaks the rules of HTTP is an error,
and its connection is not used again.

    HttpTransport       one pool for each origin
        _Pool           places for connections, and who waits for one
            _Addresses  where the host is
            _Connection one exchange after the other
"""

import asyncio
import socket
import ssl
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, cast

import httptools
import httpx

from dispatcher.providers.http_client.request_gate import RequestGate

MAX_HEAD: Final = 64 * 1024
MAX_RESPONSE: Final = 1024 * 1024
"""Bytes of one answer, its framing counted in; what is longer is nobody's answer to one message."""

DNS_CACHE_TTL: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """
    How connections are made and kept.

    `max_connections` holds for each origin. `connect_timeout` is for name,
    connection and TLS together. One idle for longer than `keep_alive` is not
    used again. `tls` is what certificates are checked against.
    """

    max_connections: int
    connect_timeout: timedelta
    keep_alive: timedelta
    tls: ssl.SSLContext


class HttpTransport(httpx.AsyncBaseTransport):
    """Carries requests that have a `Passage`; how long a call may take is its caller's. One for each loop."""

    def __init__(self, terms: ConnectionOptions) -> None:
        self._terms = terms
        self._pools: dict[tuple[str, bytes], ConnectionPool] = {}
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """
        Write the request once and read its answer whole.

        Raises httpx.TransportError: what broke before the passage was entered
        has surely not gone out.
        """
        passage = RequestGate.of(request)
        data = _serialize(request)
        pool = self._pool(request.url)
        connection = await pool.take()
        try:
            status, headers, body = await connection.exchange(
                data, passage, has_body=request.method != "HEAD"
            )
        finally:
            pool.give_back(connection)
        return httpx.Response(status, headers=headers, content=body, request=request)

    async def aclose(self) -> None:
        """Close all connections; calls that wait for one, or for an answer, fail."""
        self._closed = True
        for pool in self._pools.values():
            await pool.close()

    def _pool(self, url: httpx.URL) -> "ConnectionPool":
        if self._closed:
            raise httpx.ConnectError("the client is closed")
        origin = (url.scheme, url.netloc)
        pool = self._pools.get(origin)
        if pool is None:
            if url.scheme not in ("http", "https") or not url.raw_host:
                raise httpx.UnsupportedProtocol(f"{url.scheme}://{url.host} is no http or https URL")
            pool = self._pools[origin] = ConnectionPool(url, self._terms)
        return pool


class ConnectionPool:
    """
    The connections to one origin: idle ones, the last used first, and a queue for when all are taken.

    Whoever holds a connection, or is opening one, holds a place. While
    somebody waits there is neither an idle connection nor a free place,
    so nobody overtakes.
    """

    def __init__(self, url: httpx.URL, terms: ConnectionOptions) -> None:
        self._loop = asyncio.get_running_loop()
        self._host = url.raw_host.decode("ascii")
        self._tls = terms.tls if url.scheme == "https" else None
        self._port = url.port or (443 if self._tls else 80)
        self._addresses = HostAddresses(self._host, self._port)
        self._connect_timeout = terms.connect_timeout.total_seconds()
        self._keep_alive = terms.keep_alive.total_seconds()
        self._places = terms.max_connections
        self._idle: OrderedDict[HttpConnection, float] = OrderedDict()  # until when, soonest first
        self._waiting: OrderedDict[asyncio.Future[HttpConnection | None], None] = OrderedDict()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False
        self._buffer = memoryview(bytearray(MAX_HEAD))  # one for all: what is read is parsed at once
        self.connected: set[HttpConnection] = set()

    async def take(self) -> "HttpConnection":
        """Get a connection of one's own, kept alive or new, in one's turn; `give_back` must follow."""
        if self._idle:
            connection, until = self._idle.popitem()
            if until <= self._loop.time():  # the loop was too late to sweep
                connection.abort()
        elif self._places:
            self._places -= 1
            connection = None
        else:
            connection = await self._turn()
        if connection is not None and connection.is_open:
            return connection
        try:
            return await self._open()
        except BaseException:
            self._next(None)
            raise

    def give_back(self, connection: "HttpConnection") -> None:
        """Let the next have it, or keep it for a while; of one that cannot be used again, the place."""
        if connection.is_open and self._keep_alive and not self._closed:
            self._next(connection)
        else:
            connection.abort()
            self._next(None)

    def forget(self, connection: "HttpConnection") -> None:
        """Note that a connection is gone."""
        self.connected.discard(connection)
        if self._idle.pop(connection, None) is not None:
            self._next(None)

    async def close(self) -> None:
        """Close all connections, and wait until they are."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        gone = [connection.gone for connection in self.connected]
        for connection in list(self.connected):
            connection.abort()
        while self._waiting:
            self._next(None)
        await asyncio.gather(*gone)

    async def _turn(self) -> "HttpConnection | None":
        """Wait for a connection, or for a place to open one in."""
        waiter: asyncio.Future[HttpConnection | None] = self._loop.create_future()
        self._waiting[waiter] = None
        try:
            return await waiter
        except asyncio.CancelledError:
            self._waiting.pop(waiter, None)
            if not waiter.cancelled():  # what it was given belongs to the next
                self._next(waiter.result())
            raise

    def _next(self, connection: "HttpConnection | None") -> None:
        """Give a connection, or the place of none, to who has waited longest."""
        while self._waiting:
            waiter, _ = self._waiting.popitem(last=False)
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection is None or not connection.is_open:
            self._places += 1
            return
        until = self._idle[connection] = self._loop.time() + self._keep_alive
        if self._sweep is None:
            self._sweep = self._loop.call_at(until, self._drop_expired)

    def _drop_expired(self) -> None:
        self._sweep = None
        now = self._loop.time()
        while self._idle:
            connection, until = next(iter(self._idle.items()))
            if until > now:
                self._sweep = self._loop.call_at(until, self._drop_expired)
                return
            del self._idle[connection]
            connection.abort()
            self._next(None)

    async def _open(self) -> "HttpConnection":
        if self._closed:
            raise httpx.ConnectError("the client is closed")
        try:
            connection = await self._connect()
        except TimeoutError:
            raise httpx.ConnectTimeout(f"not connected within {self._connect_timeout:g} s") from None
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(str(error) or type(error).__name__) from error
        if self._closed or not connection.is_open:
            connection.abort()
            raise httpx.ConnectError("the connection was closed at once")
        return connection

    async def _connect(self) -> "HttpConnection":
        """Connect to the first address that lets us; each gets its share of what time is left."""
        deadline = self._loop.time() + self._connect_timeout
        async with asyncio.timeout_at(deadline):
            addresses = await self._addresses.find()
        failure: OSError | None = None
        for tried, address in enumerate(addresses):
            share = (deadline - self._loop.time()) / (len(addresses) - tried)
            try:
                async with asyncio.timeout(share):
                    connection = await self._connect_to(address)
            except OSError as error:
                failure = error
            else:
                self._addresses.prefer(address)
                return connection
        raise failure or OSError("the name has no address")

    async def _connect_to(self, address: str) -> "HttpConnection":
        """Connect; asyncio and uvloop set TCP_NODELAY by themselves."""
        _, connection = await self._loop.create_connection(
            lambda: HttpConnection(self, self._buffer),
            address,
            self._port,
            ssl=self._tls,
            server_hostname=self._host if self._tls else None,
        )
        return connection


class HostAddresses:
    """Where a host is: looked up once for all who ask at the same time, and known for `DNS_KEPT`."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._known: Sequence[str] = ()
        self._until = 0.0
        self._lookup: asyncio.Task[None] | None = None

    async def find(self) -> Sequence[str]:
        """List the addresses, the best first. Raises OSError or UnicodeError where there is none."""
        if self._until <= asyncio.get_running_loop().time():
            if self._lookup is None or self._lookup.done():
                self._lookup = asyncio.create_task(self._look_up())
                self._lookup.add_done_callback(lambda task: task.cancelled() or task.exception())
            await asyncio.shield(self._lookup)
        return self._known

    def prefer(self, address: str) -> None:
        """Try this one first from now on, so that a dead one before it costs its time once."""
        if self._known[0] != address:
            self._known = (address, *(other for other in self._known if other != address))

    async def _look_up(self) -> None:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        self._known = tuple(dict.fromkeys(str(address[0]) for *_, address in found))
        self._until = loop.time() + DNS_CACHE_TTL.total_seconds()


RawResponse = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers and body, as they came."""


class HttpConnection(asyncio.BufferedProtocol):
    """
    One connection, one exchange at a time.

    It stays open only while nothing is doubtful: a whole answer, nothing
    behind it, everything written, and neither side wants to close. What comes
    without a request ends it.
    """

    def __init__(self, pool: ConnectionPool, buffer: memoryview) -> None:
        self._pool = pool
        self._buffer = buffer
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[RawResponse] | None = None
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self.is_open = False

    async def exchange(self, data: bytes, passage: RequestGate, *, has_body: bool) -> RawResponse:
        """Write one request in one piece, if its passage lets it, and wait for the answer."""
        passage.enter()
        self._transport.write(data)
        self._has_body = has_body  # its answer: that to HEAD has none, whatever its headers say
        self._in_body = False
        self._received = 0
        self._limit = MAX_HEAD
        self._answer: RawResponse | None = None
        self._waiter = self._loop.create_future()
        try:
            return await self._waiter
        finally:
            self._waiter = None
            if self._answer is None:
                self.abort()

    def abort(self) -> None:
        """Close it now, whatever is under way."""
        self.is_open = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin (asyncio)."""
        self._transport = cast("asyncio.Transport", transport)  # that of uvloop is none by its class
        self._parser: httptools.HttpResponseParser | None = _response_parser(self)
        self._pool.connected.add(self)
        self.is_open = True

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where to read to (asyncio)."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what was read (asyncio)."""
        if self._waiter is None or self._waiter.done() or self._parser is None:
            self.abort()  # nobody asked for it
            return
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(httpx.RemoteProtocolError(f"the answer is not HTTP/1.1: {error}"))
            return
        self._received += nbytes
        if self._received > self._limit:
            self._fail(httpx.RemoteProtocolError(f"the answer is longer than {self._limit} bytes"))
        elif self._answer is not None:
            self._waiter.set_result(self._answer)

    def eof_received(self) -> None:
        """Note that the server wrote its last (asyncio, which closes the connection then)."""
        self.is_open = False

    def connection_lost(self, exc: Exception | None) -> None:
        """End (asyncio)."""
        if self._waiter is not None and not self._waiter.done():
            if exc is None and self._ends_with_connection():
                self._answer = self._read_so_far()
                self._waiter.set_result(self._answer)
            else:
                when = "in the middle of the answer" if self._received else "before an answer"
                self._fail(httpx.ReadError(f"the connection was closed {when}"))
        self.is_open = False
        self._parser = None  # it refers to us
        self._pool.forget(self)
        self.gone.set_result(None)

    def on_message_begin(self) -> None:
        """Begin an answer (httptools); one behind ours is nobody's, and its connection not to be trusted."""
        if self._answer is not None:
            self.is_open = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._in_body = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header (httptools), but not a trailer."""
        if not self._in_body:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Expect the body (httptools)."""
        self._in_body = True
        self._limit = MAX_RESPONSE
        if not self._has_body and self._answer is None and self._status() >= 200:
            self._answer = self._read_so_far()
            self.is_open = False  # the parser waits for a body

    def on_body(self, body: bytes) -> None:
        """Take a part of the body (httptools)."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """End an answer (httptools), unless more follows: 1xx is only a notice."""
        assert self._parser is not None
        if self._status() < 200:
            self._in_body = False
        elif self._answer is None:
            self._answer = self._read_so_far()
            if not self._parser.should_keep_alive() or self._transport.get_write_buffer_size():
                self.is_open = False

    def _status(self) -> int:
        assert self._parser is not None
        return self._parser.get_status_code()

    def _read_so_far(self) -> RawResponse:
        return self._status(), self._headers, b"".join(self._body)

    def _ends_with_connection(self) -> bool:
        """Tell whether the answer gave itself no length (RFC 9112, 6.3), so that this is its end."""
        return self._in_body and not any(name.lower() in _LENGTH_HEADERS for name, _ in self._headers)

    def _fail(self, error: httpx.TransportError) -> None:
        self.abort()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)


_LENGTH_HEADERS: Final = (b"content-length", b"transfer-encoding")


def _response_parser(connection: HttpConnection) -> httptools.HttpResponseParser:
    """
    Make a parser that forgives what cannot be misread.

    Gateways are old: lines that end in LF alone, odd characters in headers and
    blanks behind a chunk's size, which aiohttp forgives too.
    """
    parser = httptools.HttpResponseParser(connection)
    parser.set_dangerous_leniencies(
        lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
    )
    return parser


def _serialize(request: httpx.Request) -> bytes:
    """Print a request. Raises LocalProtocolError for what would be read as something else."""
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1 or b"\0" in head:
        raise httpx.LocalProtocolError("a header has more than one line")
    if b"\r\ntransfer-encoding:" in head.lower() or not isinstance(request.stream, httpx.ByteStream):
        raise httpx.LocalProtocolError("the length of the body is not known")
    return b"%b\r\n\r\n%b" % (head, request.read())
