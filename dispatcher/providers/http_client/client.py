"""
How plug-ins speak HTTP: a client to build requests with, and `call`, which answers with a value.

The one place that chooses what carries the calls. The pool of stock httpx
scans all its connections on each acquire and collapses beyond about fifty of
them, and its client costs more than the wire, so `call` hands the request to
the transport itself.
"""

import ssl
from datetime import timedelta
from functools import cache
from typing import Literal

import httpx

from dispatcher.deadlines import Deadline, Deadlines
from dispatcher.domain.delivery.provider import Gate, Unknown, Unsent
from dispatcher.providers.http_client.aiohttp_transport import GatedAiohttpTransport
from dispatcher.providers.http_client.request_gate import RequestGate
from dispatcher.providers.http_client.transport import ConnectionOptions, HttpTransport

KEEP_ALIVE = timedelta(seconds=4)
"""Shorter than the 5 s after which many servers hang up: a request that crosses the hang-up is in doubt."""

Wire = Literal["ours", "aiohttp"]
"""What carries the calls: `providers.transport`, or aiohttp, at about twice the processor time."""

_NEVER_WRITTEN = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Client(httpx.AsyncClient):
    """
    Builds requests as httpx does; `call` sends them.

    No redirect is followed and no cookie kept. Neither proxies, nor netrc, nor
    certificates are taken from the environment.
    """

    def __init__(self, wire: httpx.AsyncBaseTransport) -> None:
        super().__init__(transport=wire, follow_redirects=False, trust_env=False)
        self.wire = wire  # each answers with a response that is read whole
        self._deadlines: dict[timedelta, Deadlines] = {}

    def within(self, timeout: timedelta) -> Deadline:
        """Give a block that raises TimeoutError when it takes longer."""
        deadlines = self._deadlines.get(timeout)
        if deadlines is None:
            deadlines = self._deadlines[timeout] = Deadlines(timeout.total_seconds())
        return deadlines.deadline()


class _GatedTransport(httpx.AsyncBaseTransport):
    """Asks right before handing to a transport of somebody else's, such as httpx.MockTransport."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        passage = RequestGate.of(request)
        passage.enter()
        try:
            response = await self._inner.handle_async_request(request)
        except _NEVER_WRITTEN:
            passage.never_written()
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
    Open a client for one provider, inside the running loop; use it through `call`.

    `proxy` is the URL of an HTTP proxy, which only aiohttp knows. `tls` None checks certificates against
    the usual authorities. `transport` stands in for the network.
    """
    if transport is not None:
        return Client(_GatedTransport(transport))
    terms = ConnectionOptions(max_connections, connect_timeout, keep_alive, tls or _default_tls())
    if wire == "aiohttp" or proxy is not None:
        return Client(GatedAiohttpTransport(terms, proxy=proxy))
    return Client(HttpTransport(terms))


async def call(
    client: Client, request: httpx.Request, *, gate: Gate, call_timeout: timedelta
) -> httpx.Response | Unsent | Unknown:
    """
    Make one call and read its answer whole, within `call_timeout` from the wait for a connection on.

    The gate is asked when the connection is there, right before the first
    byte. Unsent is said only where no byte was written.
    """
    passage = RequestGate(gate)
    passage.carried_by(request)
    try:
        with client.within(call_timeout):
            return await client.wire.handle_async_request(request)
    except TimeoutError:
        if passage.give_up():
            return Unsent(f"no connection within {call_timeout.total_seconds():g} s")
        return Unknown(f"no answer within {call_timeout.total_seconds():g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        if passage.give_up():
            return Unsent(
                "the gate was closed" if passage.gate_was_closed else _reason("no connection", error)
            )
        return Unknown(_reason("no answer", error))
    finally:
        passage.give_up()


@cache
def _default_tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _reason(what: str, error: Exception) -> str:
    return f"{what}: {error or type(error).__name__}"
