"""HTTP as aiohttp speaks it, taught to ask before its first byte: through proxies, and to who needs it."""

from contextvars import ContextVar
from typing import TYPE_CHECKING

import aiohttp
import httpx
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from dispatcher.providers.http_client.request_gate import RequestGate
from dispatcher.providers.http_client.transport import MAX_RESPONSE, ConnectionOptions

if TYPE_CHECKING:
    from aiohttp.connector import Connection

_current_gate: ContextVar[RequestGate] = ContextVar("passage")


class GatedAiohttpTransport(httpx.AsyncBaseTransport):
    """Calls over aiohttp; without a `proxy` they go straight there. Open it inside the running loop."""

    def __init__(self, terms: ConnectionOptions, *, proxy: str | None) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=terms.max_connections,
                ssl=terms.tls,
                keepalive_timeout=terms.keep_alive.total_seconds(),
                ttl_dns_cache=60,
            ),
            timeout=aiohttp.ClientTimeout(sock_connect=terms.connect_timeout.total_seconds()),
            request_class=_GatedRequest,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # as it came; httpx unpacks it
            proxy=proxy,
            trust_env=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Write the request once, when it is let through its passage, and read its answer whole."""
        token = _current_gate.set(RequestGate.of(request))
        try:
            async with self._session.request(
                request.method,
                URL(str(request.url), encoded=True),  # to the letter
                headers=[
                    (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw
                ],
                data=request.read() or None,  # a body that aiohttp gets whole has a length
                allow_redirects=False,
            ) as answer:
                body = await _read_body(answer)
        except aiohttp.ClientError as error:
            raise httpx.TransportError(str(error) or type(error).__name__) from error
        finally:
            _current_gate.reset(token)
        return httpx.Response(answer.status, headers=answer.raw_headers, content=body, request=request)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()


class _GatedRequest(aiohttp.ClientRequest):
    """
    An aiohttp request that asks before its first byte.

    aiohttp keeps the head back until the body is written, in a task of its
    own; a request without a body is written within `send`.
    """

    async def send(self, conn: "Connection") -> aiohttp.ClientResponse:
        if not self.body:
            _current_gate.get().enter()
        return await super().send(conn)

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: "Connection", content_length: int | None = None
    ) -> None:
        if self.body:
            try:
                _current_gate.get().enter()
            except Exception as closed:  # to the call, which waits for the answer; a gate's own bug too
                if conn.protocol is not None:
                    conn.protocol.set_exception(closed)
                return
        await super().write_bytes(writer, conn, content_length)


async def _read_body(answer: aiohttp.ClientResponse) -> bytes:
    """Read a body, compressed or not. Raises RemoteProtocolError for what is no answer."""
    if answer.status < 200:
        raise httpx.RemoteProtocolError(f"HTTP {answer.status} is no answer")
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > MAX_RESPONSE:
            raise httpx.RemoteProtocolError(f"the answer is longer than {MAX_RESPONSE} bytes")
    return bytes(body)
