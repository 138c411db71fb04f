"""
HTTP/1.1 for many concurrent calls to one provider, at a low cost per call.

A call that finds no free connection waits in a queue. Taking a connection and
giving it back cost the same, however many there are. A response that breaks the
rules of HTTP is an error, and its connection is not used again.

    HttpTransport         one pool for each origin
        ConnectionPool    connections, and the calls that wait for one
            HostAddresses the addresses of the host
            HttpConnection one exchange after the other
"""

import asyncio
import ssl
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta

import httpx

from dispatcher.providers.http_client.addresses import HostAddresses
from dispatcher.providers.http_client.connection import MAX_HEAD, HttpConnection
from dispatcher.providers.http_client.request_gate import RequestGate

CLOSE = "dispatcher.close_connection"
"""The extension of a response that closes its connection."""


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """
    How connections are made and kept.

    `max_connections` is per origin. `connect_timeout` covers name lookup,
    connection and TLS together. A connection that was idle for longer than
    `keep_alive` is not used again. `tls` holds the authorities that
    certificates are checked against.
    """

    max_connections: int
    connect_timeout: timedelta
    keep_alive: timedelta
    tls: ssl.SSLContext


class HttpTransport(httpx.AsyncBaseTransport):
    """
    Sends requests that carry a `RequestGate`. Use one instance per loop.

    The caller limits how long a call may take.
    """

    def __init__(self, options: ConnectionOptions) -> None:
        self._terms = options
        self._pools: dict[tuple[str, bytes], ConnectionPool] = {}
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """
        Write the request once and return its response with the whole body.

        Raises httpx.TransportError. A request whose gate was not passed was
        certainly not sent.
        """
        gate = RequestGate.of(request)
        data = _serialize(request)
        pool = self._pool(request.url)
        connection = await pool.take()
        try:
            status, headers, body = await connection.exchange(data, gate, has_body=request.method != "HEAD")
        finally:
            pool.give_back(connection)
        extensions = {CLOSE: connection.abort}
        return httpx.Response(status, headers=headers, content=body, request=request, extensions=extensions)

    async def aclose(self) -> None:
        """Close all connections; calls that wait for one, or for a response, fail."""
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
                raise httpx.UnsupportedProtocol(f"{url.scheme}://{url.host} is not an http or https URL")
            pool = self._pools[origin] = ConnectionPool(url, self._terms)
        return pool


class ConnectionPool:
    """
    The connections to one origin: the idle ones, last used first, and a queue of calls that wait for one.

    A call that has a connection, or is opening one, uses one slot. While a call
    waits, there is neither an idle connection nor a free slot, so no call
    overtakes another.
    """

    def __init__(self, url: httpx.URL, options: ConnectionOptions) -> None:
        self._loop = asyncio.get_running_loop()
        self._host = url.raw_host.decode("ascii")
        self._tls = options.tls if url.scheme == "https" else None
        self._port = url.port or (443 if self._tls else 80)
        self._addresses = HostAddresses(self._host, self._port)
        self._connect_timeout = options.connect_timeout.total_seconds()
        self._keep_alive = options.keep_alive.total_seconds()
        self._free_slots = options.max_connections
        self._idle: OrderedDict[HttpConnection, float] = OrderedDict()  # with expiry time, the earliest first
        self._waiting: OrderedDict[asyncio.Future[HttpConnection | None], None] = OrderedDict()
        self._expiry: asyncio.TimerHandle | None = None
        self._closed = False
        self._buffer = memoryview(bytearray(MAX_HEAD))  # shared: what is read is parsed immediately
        self.connected: set[HttpConnection] = set()

    async def take(self) -> HttpConnection:
        """
        Return a connection for exclusive use, kept alive or new, first come first served.

        The caller must call `give_back`.
        """
        if self._idle:
            connection, until = self._idle.popitem()
            if until <= self._loop.time():  # the loop ran the expiry timer late
                connection.abort()
        elif self._free_slots:
            self._free_slots -= 1
            connection = None
        else:
            connection = await self._wait()
        if connection is not None and connection.is_usable():
            return connection
        try:
            return await self._open()
        except BaseException:
            self._pass_on(None)
            raise

    def give_back(self, connection: HttpConnection) -> None:
        """Pass the connection to the next waiting call or keep it idle. Of a closed one, pass on the slot."""
        if connection.is_open and self._keep_alive and not self._closed:
            self._pass_on(connection)
        else:
            connection.abort()
            self._pass_on(None)

    def forget(self, connection: HttpConnection) -> None:
        """Remove a connection that is closed."""
        self.connected.discard(connection)
        if self._idle.pop(connection, None) is not None:
            self._pass_on(None)

    async def close(self) -> None:
        """Close all connections, and return when they are closed."""
        self._closed = True
        if self._expiry is not None:
            self._expiry.cancel()
        gone = [connection.gone for connection in self.connected]
        for connection in list(self.connected):
            connection.abort()
        while self._waiting:
            self._pass_on(None)
        await asyncio.gather(*gone)

    async def _wait(self) -> HttpConnection | None:
        """Return a connection when one is free, or None for a slot to open one in."""
        waiter: asyncio.Future[HttpConnection | None] = self._loop.create_future()
        self._waiting[waiter] = None
        try:
            return await waiter
        except asyncio.CancelledError:
            self._waiting.pop(waiter, None)
            if not waiter.cancelled():  # pass on what this call received
                self._pass_on(waiter.result())
            raise

    def _pass_on(self, connection: HttpConnection | None) -> None:
        """Pass a connection, or its slot (None), to the call that has waited longest."""
        while self._waiting:
            waiter, _ = self._waiting.popitem(last=False)
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection is None or not connection.is_open:
            self._free_slots += 1
            return
        until = self._idle[connection] = self._loop.time() + self._keep_alive
        if self._expiry is None:
            self._expiry = self._loop.call_at(until, self._drop_expired)

    def _drop_expired(self) -> None:
        self._expiry = None
        now = self._loop.time()
        while self._idle:
            connection, until = next(iter(self._idle.items()))
            if until > now:
                self._expiry = self._loop.call_at(until, self._drop_expired)
                return
            del self._idle[connection]
            connection.abort()
            self._pass_on(None)

    async def _open(self) -> HttpConnection:
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

    async def _connect(self) -> HttpConnection:
        """Connect to the first address that accepts; the addresses share the remaining time equally."""
        deadline = self._loop.time() + self._connect_timeout
        async with asyncio.timeout_at(deadline):
            addresses = await self._addresses.find()
        failure: OSError | None = None
        for index, address in enumerate(addresses):
            share = (deadline - self._loop.time()) / (len(addresses) - index)
            try:
                async with asyncio.timeout(share):
                    connection = await self._connect_to(address)
            except OSError as error:
                failure = error
            else:
                self._addresses.prefer(address)
                return connection
        raise failure or OSError("the name has no address")

    async def _connect_to(self, address: str) -> HttpConnection:
        """Connect to one address; asyncio and uvloop set TCP_NODELAY by themselves."""
        _, connection = await self._loop.create_connection(
            lambda: HttpConnection(self, self._buffer),
            address,
            self._port,
            ssl=self._tls,
            server_hostname=self._host if self._tls else None,
        )
        return connection


def _serialize(request: httpx.Request) -> bytes:
    """Return a request as bytes. Raises LocalProtocolError if the peer could read it as another request."""
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1 or b"\0" in head:
        raise httpx.LocalProtocolError("a header has more than one line")
    if b"\r\ntransfer-encoding:" in head.lower() or not isinstance(request.stream, httpx.ByteStream):
        raise httpx.LocalProtocolError("the length of the body is not known")
    return b"%b\r\n\r\n%b" % (head, request.read())
