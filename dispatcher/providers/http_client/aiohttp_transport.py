"""HTTP over aiohttp, with the gate asked before the first byte: for proxies and for `wire: aiohttp`."""

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING, cast

import aiohttp
import httpx
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from dispatcher.providers.http_client.connection import MAX_RESPONSE
from dispatcher.providers.http_client.request_gate import RequestGate
from dispatcher.providers.http_client.transport import CLOSE, ConnectionOptions
from dispatcher.providers.http_client.unasked import has_arrived

if TYPE_CHECKING:
    from aiohttp.connector import Connection

_current_gate: ContextVar[RequestGate] = ContextVar("current_gate")
_current_transport: ContextVar[asyncio.WriteTransport] = ContextVar("current_transport")


class GatedAiohttpTransport(httpx.AsyncBaseTransport):
    """Sends requests over aiohttp, through `proxy` unless it is None. Create it inside the running loop."""

    def __init__(self, options: ConnectionOptions, *, proxy: str | None) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=options.max_connections,
                ssl=options.tls,
                keepalive_timeout=options.keep_alive.total_seconds(),
                ttl_dns_cache=60,
            ),
            timeout=aiohttp.ClientTimeout(sock_connect=options.connect_timeout.total_seconds()),
            request_class=_GatedRequest,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # httpx decompresses it
            proxy=proxy,
            trust_env=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Write the request once, if its gate is open, and return its response with the whole body."""
        token = _current_gate.set(RequestGate.of(request))
        try:
            async with self._session.request(
                request.method,
                URL(str(request.url), encoded=True),  # unchanged
                headers=[
                    (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw
                ],
                data=request.read() or None,  # for bytes aiohttp writes a Content-Length
                allow_redirects=False,
            ) as response:
                body = await _read_body(response)
        except aiohttp.ClientError as error:
            raise httpx.TransportError(str(error) or type(error).__name__) from error
        finally:
            _current_gate.reset(token)
        transport = _current_transport.get()
        return httpx.Response(
            response.status,
            headers=response.raw_headers,
            content=body,
            request=request,
            extensions={CLOSE: transport.abort},
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()


class _GatedRequest(aiohttp.ClientRequest):
    """
    An aiohttp request that passes its gate before its first byte.

    aiohttp holds the head back until it writes the body, in a task of its own.
    A request without a body is written within `send`.
    """

    async def send(self, conn: "Connection") -> aiohttp.ClientResponse:
        _begin(conn)
        if not self.body:
            _current_gate.get().begin_writing()
        return await super().send(conn)

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: "Connection", content_length: int | None = None
    ) -> None:
        if self.body:
            try:
                _current_gate.get().begin_writing()
            except Exception as closed:  # the waiting call gets it, a bug of the gate too
                if conn.protocol is not None:
                    conn.protocol.set_exception(closed)
                return
        await super().write_bytes(writer, conn, content_length)


def _begin(conn: "Connection") -> None:
    """
    Note the transport, or close it and raise if something arrived unasked.

    aiohttp would take that for the next response.
    """
    protocol = conn.protocol
    if protocol is None or protocol.transport is None:
        return
    if protocol.should_close or has_arrived(protocol.transport):
        conn.close()
        raise aiohttp.ClientConnectionError("something had arrived unasked on a kept connection")
    _current_transport.set(cast("asyncio.WriteTransport", protocol.transport))


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """Return the body, still compressed. Raises RemoteProtocolError for a body too long, or a 1xx."""
    if response.status < 200:
        raise httpx.RemoteProtocolError(f"HTTP {response.status} is not a final response")
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MAX_RESPONSE:
            raise httpx.RemoteProtocolError(f"the response is longer than {MAX_RESPONSE} bytes")
    return bytes(body)
