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

import httpx

from dispatcher.providers.http_client.pool import ConnectionOptions, ConnectionPool
from dispatcher.providers.http_client.request_gate import RequestGate


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
        return httpx.Response(status, headers=headers, content=body, request=request)

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
