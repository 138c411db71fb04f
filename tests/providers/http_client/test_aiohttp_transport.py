"""aiohttp through a proxy: the gate is asked when the tunnel is open; without one, the call is Unsent."""

import asyncio

import httpx
import pytest

from dispatcher.domain.delivery.provider import ProviderConfig, Unknown, Unsent
from dispatcher.providers.generic_http.provider import HttpProvider
from dispatcher.providers.http_client.aiohttp_transport import GatedAiohttpTransport
from dispatcher.providers.http_client.transport import HttpTransport
from tests.providers.conformance import HTTP, CountingGate
from tests.providers.peer import (
    Conversation,
    Peer,
    Reply,
    always,
    closed_port,
    conversing,
    http_reply,
    listening,
)
from tests.providers.transports import Certificate, ask, open_ours, run

ABROAD = "http://provider.example/send"


def tunnel_to(port: int) -> Conversation:
    """Serve as a proxy that forwards everything to one port."""

    async def converse(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"CONNECT localhost:")
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            back.close()

    return converse


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        sink.write(data)
        await sink.drain()
    sink.close()


def test_a_proxy_gets_the_request_with_its_whole_url_and_its_own_credentials() -> None:
    async def work() -> None:
        async with listening(always(http_reply(200, b"fine"))) as proxy:
            async with open_ours(proxy=f"http://user:secret@127.0.0.1:{proxy.port}") as client:
                answer = await ask(client, ABROAD)
            assert isinstance(answer, httpx.Response)
            assert answer.content == b"fine"
            assert proxy.requests[0].target == ABROAD
            assert "proxy-authorization: basic dxnlcjpzzwnyzxq=" in proxy.requests[0].head.lower()

    run(work())


def test_a_closed_gate_writes_nothing_to_the_proxy() -> None:
    async def work() -> None:
        async with listening(always(http_reply(200))) as proxy:
            async with open_ours(proxy=proxy.url) as client:
                assert await ask(client, ABROAD, gate=lambda: False) == Unsent("the gate was closed")
            await proxy.until_left()
            assert proxy.bytes_received == 0

    run(work())


def test_a_missing_proxy_is_unsent() -> None:
    async def work() -> None:
        gate = CountingGate()
        with closed_port() as port:
            async with open_ours(proxy=f"http://127.0.0.1:{port}") as client:
                assert isinstance(await ask(client, ABROAD, gate=gate), Unsent)
        assert gate.asked == 0

    run(work())


def test_a_proxy_that_hangs_up_in_a_call_is_unknown() -> None:
    async def work() -> None:
        async with listening(always(Reply(b"", hang_up=True))) as proxy:
            async with open_ours(proxy=proxy.url) as client:
                assert isinstance(await ask(client, ABROAD), Unknown)
            assert len(proxy.requests) == 1

    run(work())


@pytest.fixture(scope="module")
def localhost(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("certificate"), name="localhost")


def test_in_a_tunnel_the_gate_is_asked_for_the_message_and_not_for_the_tunnel(
    localhost: Certificate,
) -> None:
    async def work() -> None:
        gate = CountingGate()
        async with (
            listening(always(http_reply(200, b"fine")), tls=localhost.server()) as provider,
            conversing(tunnel_to(provider.port)) as proxy,
        ):
            async with open_ours(proxy=proxy.url, tls=localhost.trusted()) as client:
                url = f"https://localhost:{provider.port}/"
                assert await ask(client, url, gate=lambda: False) == Unsent("the gate was closed")
                assert not provider.requests
                answer = await ask(client, url, gate=gate)
                assert isinstance(answer, httpx.Response), answer
            assert gate.asked == 1
            assert len(provider.requests) == 1

    run(work())


@pytest.mark.parametrize("reply", [http_reply(407), http_reply(502), b"garbage\r\n\r\n"])
def test_a_tunnel_that_is_refused_is_unsent_and_the_gate_is_not_asked(reply: bytes) -> None:
    async def work() -> None:
        gate = CountingGate()
        async with (
            listening(always(Reply(reply, hang_up=True))) as proxy,
            open_ours(proxy=proxy.url) as client,
        ):
            assert isinstance(await ask(client, "https://localhost:9/", gate=gate), Unsent)
        assert gate.asked == 0

    run(work())


@pytest.mark.parametrize(
    ("option", "transport"),
    [({}, HttpTransport), ({"wire": "ours"}, HttpTransport), ({"wire": "aiohttp"}, GatedAiohttpTransport)],
)
def test_an_option_chooses_the_transport(option: dict[str, str], transport: type) -> None:
    async def work() -> None:
        options = {**HTTP.options("127.0.0.1", 9), **option}
        provider = HttpProvider(ProviderConfig("acme", "http", options))
        assert type(provider._client.transport) is transport
        await provider.close()

    run(work())
