"""
The one place that chooses how providers speak HTTP, and that knows whether a request was written.

Underneath is aiohttp, because the pool of stock httpx scans all its connections
on each acquire and collapses beyond about fifty of them. What an exception is
called is not trusted: httpx-aiohttp maps a server that hung up after it had
read the request to ConnectTimeout. Each call carries a `Passage` that the wire
passes through before its first byte, and that alone tells Unsent from Unknown.
"""

import asyncio
import ssl
from contextvars import ContextVar
from datetime import timedelta
from enum import Enum, auto
from functools import cache
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING

import aiohttp
import httpx
from aiohttp.abc import AbstractStreamWriter
from httpx_aiohttp import AiohttpTransport

from dispatcher.domain.provider import Gate, Unknown, Unsent

if TYPE_CHECKING:
    from aiohttp.connector import Connection

KEEP_ALIVE = timedelta(seconds=4)
"""Shorter than the 5 s after which many servers hang up: a request that crosses the hang-up is in doubt."""

_EXTENSION = "dispatcher.passage"
_NEVER_WRITTEN = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class _Stage(Enum):
    WAITING = auto()  # nothing is written; the call waits for a connection
    WRITTEN = auto()  # the first byte may be on its way
    SHUT = auto()  # nothing is written, and nothing will be


class _ClosedError(aiohttp.ClientError):
    """The gate was closed, or this call was written or given up before."""


class Passage:
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

    def enter(self) -> None:
        """Ask the gate; the very next thing must be the first byte. Raises where it must not be written."""
        if self._stage is not _Stage.WAITING:
            raise _ClosedError("this request was already written or given up")
        if not self._gate():
            self._stage = _Stage.SHUT
            self.gate_was_closed = True
            raise _ClosedError("the gate was closed")
        self._stage = _Stage.WRITTEN

    def never_written(self) -> None:
        """Take `enter` back: what came after it knows that it wrote nothing."""
        self._stage = _Stage.SHUT

    def give_up(self) -> bool:
        """End the call: nothing is written from here on. Tell whether nothing was written before."""
        if self._stage is _Stage.WAITING:
            self._stage = _Stage.SHUT
        return self._stage is _Stage.SHUT


_passage: ContextVar[Passage] = ContextVar("passage")


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


class _NoCookies(CookieJar):
    """Keeps none: what one call was given has no business in the next, and the parsing costs."""

    def extract_cookies(self, response: object, request: object) -> None:
        pass


class _GatedTransport(httpx.AsyncBaseTransport):
    """Hands each call's passage to the request that aiohttp builds for it."""

    def __init__(self, wire: AiohttpTransport) -> None:
        self._wire = wire

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        token = _passage.set(request.extensions[_EXTENSION])
        try:
            return await self._wire.handle_async_request(request)
        finally:
            _passage.reset(token)

    async def aclose(self) -> None:
        await self._wire.aclose()


class _GatedStandIn(httpx.AsyncBaseTransport):
    """Asks right before handing to a transport of somebody else's, such as httpx.MockTransport."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        passage: Passage = request.extensions[_EXTENSION]
        passage.enter()
        try:
            return await self._inner.handle_async_request(request)
        except _NEVER_WRITTEN:
            passage.never_written()
            raise

    async def aclose(self) -> None:
        await self._inner.aclose()


def open_client(
    *,
    max_connections: int,
    connect_timeout: timedelta,
    keep_alive: timedelta = KEEP_ALIVE,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """
    Open a client for one provider, inside the running loop; use it through `call`.

    Neither proxies, nor netrc, nor certificates are taken from the
    environment. A connection idle for longer than `keep_alive` is not used again.
    """
    return httpx.AsyncClient(
        transport=_GatedStandIn(transport) if transport else _wire(max_connections, keep_alive=keep_alive),
        timeout=httpx.Timeout(None, connect=connect_timeout.total_seconds()),
        cookies=_NoCookies(),
        follow_redirects=False,
        trust_env=False,
    )


async def call(
    client: httpx.AsyncClient, request: httpx.Request, *, gate: Gate, call_timeout: timedelta
) -> httpx.Response | Unsent | Unknown:
    """
    Make one call and read its answer whole, within `call_timeout` from the wait for a connection on.

    The gate is asked when the connection is there, right before the first
    byte. Unsent is said only where no byte was written.
    """
    passage = Passage(gate)
    request.extensions = {**request.extensions, _EXTENSION: passage}
    try:
        async with asyncio.timeout(call_timeout.total_seconds()):
            return await client.send(request)
    except TimeoutError:
        if passage.give_up():
            return Unsent(f"no connection within {call_timeout.total_seconds():g} s")
        return Unknown(f"no answer within {call_timeout.total_seconds():g} s")
    except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
        if passage.give_up():
            return Unsent(
                "the gate was closed" if passage.gate_was_closed else _words("no connection", error)
            )
        return Unknown(_words("no answer", error))
    finally:
        passage.give_up()


def _wire(max_connections: int, *, keep_alive: timedelta) -> httpx.AsyncBaseTransport:
    connector = aiohttp.TCPConnector(
        limit=max_connections,
        ssl=_ssl_context(),
        keepalive_timeout=keep_alive.total_seconds(),
        ttl_dns_cache=60,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        request_class=_GatedRequest,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )
    return _GatedTransport(AiohttpTransport(client=session, verify=_ssl_context(), trust_env=False))


@cache
def _ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _words(what: str, error: Exception) -> str:
    return f"{what}: {error or type(error).__name__}"
