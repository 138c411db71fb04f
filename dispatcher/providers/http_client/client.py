"""
HTTP for plug-ins: a client that builds requests, and `call`, which returns failures as values.

Only this module chooses the transport. The pool of stock httpx scans all its
connections on each acquire and collapses beyond about fifty of them, and its
client costs more than the transport, so `call` uses the transport directly.
"""

import ssl
from datetime import timedelta
from functools import cache
from typing import Literal

import httpx

from dispatcher.deadlines import Deadline, Deadlines
from dispatcher.providers.contract import Gate, Unknown, Unsent
from dispatcher.providers.http_client.request_gate import RequestGate
from dispatcher.providers.http_client.transport import CLOSE, ConnectionOptions, HttpTransport
from dispatcher.version import USER_AGENT

KEEP_ALIVE = timedelta(seconds=4)
"""Shorter than the 5 s after which many servers close: a request sent at that moment is in doubt."""

Wire = Literal["ours", "aiohttp"]
"""The HTTP implementation: `http_client.transport`, or aiohttp, which takes about twice the CPU time."""

_NEVER_WRITTEN = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Client(httpx.AsyncClient):
    """
    Builds requests as httpx does; `call` sends them.

    It follows no redirects and keeps no cookies. It ignores proxies, netrc and
    certificates of the environment.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        headers = {"User-Agent": USER_AGENT}
        super().__init__(transport=transport, headers=headers, follow_redirects=False, trust_env=False)
        self.transport = transport  # returns responses with the whole body
        self._deadlines: dict[timedelta, Deadlines] = {}

    def within(self, timeout: timedelta) -> Deadline:
        """Return a context manager that raises TimeoutError when its block takes longer."""
        deadlines = self._deadlines.get(timeout)
        if deadlines is None:
            deadlines = self._deadlines[timeout] = Deadlines(timeout.total_seconds())
        return deadlines.deadline()


class _GatedTransport(httpx.AsyncBaseTransport):
    """Passes the gate before each call of a transport that knows no gates, such as httpx.MockTransport."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        gate = RequestGate.of(request)
        gate.begin_writing()
        try:
            response = await self._inner.handle_async_request(request)
        except _NEVER_WRITTEN:
            gate.mark_unwritten()
            raise
        await response.aread()
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def open_client(
    *,
    max_connections: int,
    connect_timeout: timedelta,
    keep_alive: timedelta = KEEP_ALIVE,
    wire: Wire = "ours",
    proxy: str | None = None,
    tls: ssl.SSLContext | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Client:
    """
    Return a client for one provider, to be used with `call`. Create it inside the running loop.

    `proxy` is the URL of an HTTP proxy, which only aiohttp supports. With `tls` None, certificates are
    checked against the usual authorities. `transport` replaces the network.
    """
    if transport is not None:
        return Client(_GatedTransport(transport))
    options = ConnectionOptions(max_connections, connect_timeout, keep_alive, tls or _default_tls())
    if wire == "aiohttp" or proxy is not None:
        from dispatcher.providers.http_client.aiohttp_transport import (
            GatedAiohttpTransport,
        )  # a quarter second

        return Client(GatedAiohttpTransport(options, proxy=proxy))
    return Client(HttpTransport(options))


async def call(
    client: Client, request: httpx.Request, *, gate: Gate, call_timeout: timedelta
) -> httpx.Response | Unsent | Unknown:
    """
    Return the response with its whole body; Unsent if no byte was written, Unknown if one may have been.

    `call_timeout` covers the wait for a connection, the request and the
    response. The gate is asked when there is a connection, right before the
    first byte.
    """
    request_gate = RequestGate(gate)
    request_gate.attach_to(request)
    try:
        with client.within(call_timeout):
            return await client.transport.handle_async_request(request)
    except TimeoutError:
        if request_gate.give_up():
            return Unsent(f"no connection within {call_timeout.total_seconds():g} s")
        return Unknown(f"no answer within {call_timeout.total_seconds():g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        if request_gate.give_up():
            return Unsent(
                "the gate was closed" if request_gate.gate_was_closed else _reason("no connection", error)
            )
        return Unknown(_reason("no answer", error))
    finally:
        request_gate.give_up()


def close_connection(response: httpx.Response) -> None:
    """Close the connection of this response, even if another request is on it: that one becomes Unknown."""
    if (close := response.extensions.get(CLOSE)) is not None:
        close()


@cache
def _default_tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _reason(prefix: str, error: Exception) -> str:
    return f"{prefix}: {error or type(error).__name__}"
