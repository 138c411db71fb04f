"""
HTTP as aiohttp speaks it, taught to ask before its first byte: through proxies, and to who needs it.

What an exception is called is not trusted: httpx-aiohttp maps a server that
hung up after it had read the request to ConnectTimeout.
"""

from contextvars import ContextVar
from typing import TYPE_CHECKING

import aiohttp
import httpx
from aiohttp.abc import AbstractStreamWriter
from httpx_aiohttp import AiohttpTransport

from dispatcher.providers.passage import Passage
from dispatcher.providers.transport import MAX_ANSWER, Terms

if TYPE_CHECKING:
    from aiohttp.connector import Connection

_passage: ContextVar[Passage] = ContextVar("passage")


class GatedAiohttpTransport(httpx.AsyncBaseTransport):
    """Calls over aiohttp; without a `proxy` they go straight there. Open it inside the running loop."""

    def __init__(self, terms: Terms, *, proxy: str | None) -> None:
        self._timeout = {"connect": terms.connect_timeout.total_seconds()}
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=terms.max_connections,
                ssl=terms.tls,
                keepalive_timeout=terms.keep_alive.total_seconds(),
                ttl_dns_cache=60,
            ),
            request_class=_GatedRequest,
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy,  # of whose user and password httpx-aiohttp would make a deprecated thing
            trust_env=False,
        )
        self._wire = AiohttpTransport(client=session, verify=terms.tls, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Write the request once, when it is let through its passage, and read its answer whole."""
        request.read()  # a body that aiohttp gets whole has a length
        request.extensions = {**request.extensions, "timeout": self._timeout}
        token = _passage.set(Passage.of(request))
        try:
            answer = await self._wire.handle_async_request(request)
            try:
                body = await _whole(answer)
            finally:
                await answer.aclose()
        except aiohttp.ClientError as error:  # what httpx-aiohttp has no name for
            raise httpx.TransportError(str(error)) from error
        finally:
            _passage.reset(token)
        return httpx.Response(answer.status_code, headers=answer.headers, content=body, request=request)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._wire.aclose()


class _GatedRequest(aiohttp.ClientRequest):
    """
    An aiohttp request that asks before its first byte.

    aiohttp keeps the head back until the body is written, in a task of its
    own; a request without a body is written within `send`.
    """

    async def send(self, conn: "Connection") -> aiohttp.ClientResponse:
        if not self.body:
            _passage.get().enter()
        return await super().send(conn)

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: "Connection", content_length: int | None = None
    ) -> None:
        if self.body:
            try:
                _passage.get().enter()
            except Exception as closed:  # to the call, which waits for the answer; a gate's own bug too
                if conn.protocol is not None:
                    conn.protocol.set_exception(closed)
                return
        await super().write_bytes(writer, conn, content_length)


async def _whole(answer: httpx.Response) -> bytes:
    """Read a body as it came, compressed or not. Raises RemoteProtocolError for what is no answer."""
    if answer.status_code < 200:
        raise httpx.RemoteProtocolError(f"HTTP {answer.status_code} is no answer")
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > MAX_ANSWER:
            raise httpx.RemoteProtocolError(f"the answer is longer than {MAX_ANSWER} bytes")
    return bytes(body)
