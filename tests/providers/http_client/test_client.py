import asyncio
import os

import httpx
import pytest

from dispatcher.domain.delivery.provider import Unknown, Unsent
from tests.providers.conformance import CountingGate
from tests.providers.peer import Got, Reply, always, http_reply, listening
from tests.providers.transports import WIRES, OpenClient, ask, run

METHODS = pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
pytestmark = WIRES


def dies_when_reused(got: Got, number: int) -> Reply:
    """Answer the first request and keep the connection; read the second and close it."""
    return Reply(http_reply(200)) if number == 0 else Reply(b"", hang_up=True)


@METHODS
def test_a_request_is_never_written_twice_although_a_kept_connection_dies(
    open_wire: OpenClient, method: str
) -> None:
    async def work() -> None:
        async with listening(dies_when_reused) as peer, open_wire() as client:
            assert isinstance(await ask(client, peer.url, method=method), httpx.Response)
            assert isinstance(await ask(client, peer.url, method=method), Unknown)
            assert len(peer.requests) == 2

    run(work())


@METHODS
def test_nothing_is_written_through_a_closed_gate(open_wire: OpenClient, method: str) -> None:
    async def work() -> None:
        async with listening(always(http_reply(200))) as peer, open_wire() as client:
            assert await ask(client, peer.url, method=method, gate=lambda: False) == Unsent(
                "the gate was closed"
            )
            await client.aclose()
            await peer.until_left()
            assert peer.bytes_received == 0

    run(work())


@METHODS
def test_a_kept_connection_passes_the_gate_too(open_wire: OpenClient, method: str) -> None:
    async def work() -> None:
        async with listening(always(http_reply(200))) as peer, open_wire() as client:
            await ask(client, peer.url, method=method)
            before = peer.bytes_received
            assert isinstance(await ask(client, peer.url, method=method, gate=lambda: False), Unsent)
            await client.aclose()
            await peer.until_left()
            assert peer.bytes_received == before

    run(work())


@METHODS
def test_the_gate_is_asked_once(open_wire: OpenClient, method: str) -> None:
    async def work() -> None:
        gate = CountingGate()
        async with listening(always(http_reply(200))) as peer, open_wire() as client:
            await ask(client, peer.url, method=method, gate=gate)
        assert gate.asked == 1

    run(work())


@METHODS
def test_closed_gates_leak_no_connection(open_wire: OpenClient, method: str) -> None:
    async def work() -> None:
        async with listening(always(http_reply(200))) as peer, open_wire(max_connections=2) as client:
            await ask(client, peer.url, method=method)
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(100):
                await ask(client, peer.url, method=method, gate=lambda: False)
            answers = await asyncio.gather(*(ask(client, peer.url, method=method) for _ in range(10)))
            assert all(isinstance(answer, httpx.Response) for answer in answers)
            assert len(os.listdir("/proc/self/fd")) <= before + 4

    run(work())


def test_a_gate_that_raises_leaks_no_connection_and_writes_nothing(open_wire: OpenClient) -> None:
    """The bug is the dispatcher's and is raised; the connection is not lost."""

    async def work() -> None:
        def broken() -> bool:
            raise ZeroDivisionError

        async with listening(always(http_reply(200))) as peer, open_wire(max_connections=1) as client:
            with pytest.raises(ZeroDivisionError):
                await ask(client, peer.url, gate=broken)
            assert isinstance(await ask(client, peer.url), httpx.Response)
            assert len(peer.requests) == 1

    run(work())


def test_a_connection_is_used_again(open_wire: OpenClient) -> None:
    async def work() -> None:
        async with listening(always(http_reply(200))) as peer, open_wire() as client:
            for _ in range(5):
                await ask(client, peer.url)
            assert peer.connections == 1

    run(work())


def test_never_more_connections_than_the_limit(open_wire: OpenClient) -> None:
    async def work() -> None:
        async with listening(always(http_reply(200))) as peer, open_wire(max_connections=3) as client:
            await asyncio.gather(*(ask(client, peer.url) for _ in range(50)))
            assert peer.connections <= 3
            assert len(peer.requests) == 50

    run(work())


def test_a_call_that_gave_up_waiting_is_not_written_later(open_wire: OpenClient) -> None:
    """With one connection, the second call waits for it, and ends before the first does."""

    async def work() -> None:
        def first_is_slow(_got: Got, number: int) -> Reply:
            return Reply(None) if number == 0 else Reply(http_reply(200))

        async with listening(first_is_slow) as peer, open_wire(max_connections=1) as client:
            first = asyncio.create_task(ask(client, peer.url, seconds=0.3))
            await peer.until(lambda peer: len(peer.requests) == 1)
            assert isinstance(await ask(client, peer.url, seconds=0.1), Unsent)
            assert isinstance(await first, Unknown)
            assert isinstance(await ask(client, peer.url), httpx.Response)
            assert len(peer.requests) == 2

    run(work())


def test_a_tls_handshake_that_fails_is_unsent(open_wire: OpenClient) -> None:
    async def work() -> None:
        gate = CountingGate()
        async with listening(always(http_reply(200))) as peer, open_wire() as client:
            url = peer.url.replace("http:", "https:")
            assert isinstance(await ask(client, url, gate=gate, seconds=1.0), Unsent)
            assert gate.asked == 0

    run(work())


def test_a_redirect_is_not_followed(open_wire: OpenClient) -> None:
    async def work() -> None:
        async with listening(always(http_reply(307, Location="/elsewhere"))) as peer, open_wire() as client:
            answer = await ask(client, peer.url)
            assert isinstance(answer, httpx.Response)
            assert answer.status_code == 307
            assert len(peer.requests) == 1

    run(work())


def test_a_cookie_is_not_sent_back(open_wire: OpenClient) -> None:
    async def work() -> None:
        async with (
            listening(always(http_reply(200, Set_Cookie="a=b; Path=/"))) as peer,
            open_wire() as client,
        ):
            await ask(client, peer.url)
            await ask(client, peer.url)
            assert "cookie" not in peer.requests[1].head.lower()

    run(work())


def test_the_environment_chooses_no_proxy(open_wire: OpenClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    async def work() -> None:
        async with listening(always(http_reply(200))) as peer, open_wire() as client:
            assert isinstance(await ask(client, peer.url), httpx.Response)

    run(work())


ERRORS = [
    error
    for error in vars(httpx).values()
    if isinstance(error, type) and issubclass(error, httpx.RequestError)
]
SURELY_UNSENT = {httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_each_error_of_a_replaced_transport_is_unsent_or_unknown(
    open_wire: OpenClient, error: type[httpx.RequestError]
) -> None:
    async def work() -> None:
        def fail(_request: httpx.Request) -> httpx.Response:
            raise error("no")

        async with open_wire(transport=httpx.MockTransport(fail)) as client:
            answer = await ask(client, "http://provider.example/")
            assert isinstance(answer, Unsent if error in SURELY_UNSENT else Unknown)

    run(work())


def test_a_replaced_transport_gets_nothing_through_a_closed_gate(open_wire: OpenClient) -> None:
    async def work() -> None:
        got: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            got.append(request)
            return httpx.Response(200)

        async with open_wire(transport=httpx.MockTransport(answer)) as client:
            assert isinstance(await ask(client, "http://provider.example/", gate=lambda: False), Unsent)
            assert not got
            assert isinstance(await ask(client, "http://provider.example/"), httpx.Response)

    run(work())
