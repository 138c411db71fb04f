"""Rules of our own transport beyond those of every transport: order, limits, names, TLS."""

import asyncio
import socket
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from dispatcher.domain.delivery.provider import Unknown, Unsent
from tests.providers.conformance import CountingGate
from tests.providers.peer import (
    Got,
    Peer,
    Reply,
    always,
    closed_port,
    conversing,
    deaf_port,
    http_reply,
    listening,
    read_request,
)
from tests.providers.transports import LOOPS, Certificate, Run, ask, open_ours, run

FINE = http_reply(200, b"fine")
HELLO = http_reply(200, b"hello")
SHORT = timedelta(seconds=0.05)


@LOOPS
def test_calls_that_wait_for_a_connection_get_it_in_order(run: Run) -> None:
    async def work() -> None:
        asked: list[int] = []

        def gate(number: int) -> bool:
            asked.append(number)
            return True

        async with listening(always(FINE)) as peer, open_ours(max_connections=20) as client:
            answers = await asyncio.gather(
                *(ask(client, peer.url, gate=lambda number=number: gate(number)) for number in range(200))  # type: ignore[misc]
            )
            assert all(isinstance(answer, httpx.Response) for answer in answers)
            waited = [number for number in asked if number >= 20]  # the others connected meanwhile
            assert waited == list(range(20, 200))
            assert peer.connections == 20

    run(work())


@LOOPS
def test_there_are_never_more_connections_than_the_limit_although_many_die(run: Run) -> None:
    async def work() -> None:
        def some_die(_got: Got, number: int) -> Reply:
            return Reply(b"", hang_up=True) if number % 3 == 0 else Reply(FINE)

        async with listening(some_die) as peer, open_ours(max_connections=5) as client:
            answers = await asyncio.gather(*(ask(client, peer.url) for _ in range(100)))
            assert sum(isinstance(answer, Unknown) for answer in answers) == 34
            assert sum(isinstance(answer, httpx.Response) for answer in answers) == 66
            assert peer.most_open_connections <= 5

    run(work())


@LOOPS
def test_a_cancelled_waiter_leaves_the_connection_to_the_next(run: Run) -> None:
    async def work() -> None:
        async with listening(always(FINE)) as peer, open_ours(max_connections=1) as client:
            first, second, third = (asyncio.create_task(ask(client, peer.url)) for _ in range(3))
            await asyncio.sleep(0)
            second.cancel()
            assert isinstance(await first, httpx.Response)
            assert isinstance(await third, httpx.Response)
            with pytest.raises(asyncio.CancelledError):
                await second
            assert isinstance(await ask(client, peer.url), httpx.Response)
            assert len(peer.requests) == 3
            assert peer.connections == 1

    run(work())


@LOOPS
def test_a_waiter_cancelled_after_it_got_the_connection_passes_it_on(run: Run) -> None:
    async def work() -> None:
        async with listening(always(FINE)) as peer, open_ours(max_connections=1) as client:

            async def answered_then_cancels() -> None:
                assert isinstance(await ask(client, peer.url), httpx.Response)
                second.cancel()  # between its turn and its next step

            first = asyncio.create_task(answered_then_cancels())
            await asyncio.sleep(0)
            second, third = (asyncio.create_task(ask(client, peer.url)) for _ in range(2))
            assert isinstance(await third, httpx.Response)
            with pytest.raises(asyncio.CancelledError):
                await second
            await first
            assert len(peer.requests) == 2
            assert peer.connections == 1

    run(work())


@LOOPS
def test_a_call_cancelled_in_the_middle_costs_its_connection_and_nothing_else(run: Run) -> None:
    async def work() -> None:
        def first_is_silent(_got: Got, number: int) -> Reply:
            return Reply(None if number == 0 else FINE)

        async with listening(first_is_silent) as peer, open_ours(max_connections=1) as client:
            first = asyncio.create_task(ask(client, peer.url))
            second = asyncio.create_task(ask(client, peer.url))
            await peer.until(lambda peer: len(peer.requests) == 1)
            first.cancel()
            assert isinstance(await second, httpx.Response)
            with pytest.raises(asyncio.CancelledError):
                await first
            assert peer.connections == 2

    run(work())


@LOOPS
def test_a_connection_is_not_lost_with_a_waiter_cancelled_in_the_same_moment(run: Run) -> None:
    async def work() -> None:
        def first_is_silent(_got: Got, number: int) -> Reply:
            return Reply(None if number == 0 else FINE)

        async with listening(first_is_silent) as peer, open_ours(max_connections=1) as client:
            first, second, third = (asyncio.create_task(ask(client, peer.url)) for _ in range(3))
            await peer.until(lambda peer: len(peer.requests) == 1)
            first.cancel()  # gives its place to the second, whose task has not yet heard
            second.cancel()
            assert isinstance(await third, httpx.Response)
            await asyncio.wait([first, second])
            assert first.cancelled()
            assert second.cancelled()
            assert len(peer.requests) == 2

    run(work())


@LOOPS
def test_a_connection_that_is_idle_too_long_is_closed(run: Run) -> None:
    async def work() -> None:
        async with listening(always(FINE)) as peer, open_ours(keep_alive=SHORT) as client:
            await asyncio.gather(*(ask(client, peer.url) for _ in range(5)))
            await peer.until_left()
            assert isinstance(await ask(client, peer.url), httpx.Response)
            assert peer.connections == 6

    run(work())


def test_the_connection_used_last_is_used_first_so_that_the_others_can_expire() -> None:
    async def work() -> None:
        async with listening(always(FINE)) as peer, open_ours(keep_alive=timedelta(seconds=0.3)) as client:
            await asyncio.gather(*(ask(client, peer.url) for _ in range(5)))
            while peer.open_connections > 1:
                assert isinstance(await ask(client, peer.url), httpx.Response)
            assert isinstance(await ask(client, peer.url), httpx.Response)
            assert peer.connections == 5

    run(work())


def test_without_keep_alive_no_connection_is_used_twice() -> None:
    async def work() -> None:
        async with listening(always(FINE)) as peer, open_ours(keep_alive=timedelta(0)) as client:
            for _ in range(3):
                assert isinstance(await ask(client, peer.url), httpx.Response)
            assert peer.connections == 3

    run(work())


@LOOPS
def test_an_answer_that_comes_before_the_request_was_read_counts_and_its_connection_does_not(
    run: Run,
) -> None:
    async def work() -> None:
        async def refuse_unread(
            peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(http_reply(413, b"too much"))
            await asyncio.Event().wait()

        async with conversing(refuse_unread) as peer, open_ours() as client:
            for _ in range(2):
                answer = await ask(client, peer.url, content=b"x" * 8_000_000)
                assert isinstance(answer, httpx.Response)
                assert answer.status_code == 413
            assert peer.connections == 2

    run(work())


@LOOPS
def test_bytes_without_a_request_end_the_connection_and_are_no_response(run: Run) -> None:
    async def work() -> None:
        async def babble(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(peer, reader)
            writer.write(HELLO)
            await peer.until(lambda peer: read_whole.is_set())
            writer.write(http_reply(500))
            await reader.read()

        read_whole = asyncio.Event()
        async with conversing(babble) as peer, open_ours(keep_alive=timedelta(minutes=1)) as client:
            assert body_of(await ask(client, peer.url)) == b"hello"
            read_whole.set()
            peer.changed.set()
            await peer.until_left()
            assert body_of(await ask(client, peer.url)) == b"hello"
            assert peer.connections == 2

    run(work())


@LOOPS
def test_close_ends_waiting_and_written_messages(run: Run) -> None:
    async def work() -> None:
        async with listening(always(Reply(None))) as peer:
            client = open_ours(max_connections=1)
            written = asyncio.create_task(ask(client, peer.url))
            await peer.until(lambda peer: len(peer.requests) == 1)
            waiting = asyncio.create_task(ask(client, peer.url))
            await asyncio.sleep(0)
            await client.aclose()
            assert isinstance(await written, Unknown)
            assert isinstance(await waiting, Unsent)
            assert await ask(client, peer.url) == Unsent("no connection: the client is closed")
            await peer.until_left()
            assert len(peer.requests) == 1

    run(work())


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({"X-Ref": "m-1\r\nX-Evil: 1"}, "/"),
        ({"X-Ref": "m-1\nX-Evil: 1"}, "/"),
        ({"X-Ref": "m-1\0"}, "/"),
        ({"Transfer-Encoding": "chunked"}, "/"),
    ],
)
def test_a_request_that_could_be_misread_is_unsent(headers: dict[str, str], url: str) -> None:
    async def work() -> None:
        async with listening(always(FINE)) as peer, open_ours() as client:
            client.headers.update(headers)
            assert isinstance(await ask(client, peer.url + url), Unsent)
            assert peer.connections == 0

    run(work())


class NamedHosts(asyncio.SelectorEventLoop):
    """A loop with its own hosts, which counts the lookups."""

    hosts: dict[str, list[str]]
    asked = 0

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        self.asked += 1
        await asyncio.sleep(0)
        if host not in self.hosts:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (it, port)) for it in self.hosts[host]]


def run_where(hosts: dict[str, list[str]], work: Coroutine[Any, Any, None]) -> NamedHosts:
    loop = NamedHosts()
    loop.hosts = hosts
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(work)
    return loop


def test_a_name_is_looked_up_once_for_concurrent_calls() -> None:
    async def work() -> None:
        async with listening(always(FINE)) as peer, open_ours(max_connections=50) as client:
            for _ in range(2):
                answers = await asyncio.gather(
                    *(ask(client, f"http://provider.example:{peer.port}/") for _ in range(50))
                )
                assert all(isinstance(answer, httpx.Response) for answer in answers)

    assert run_where({"provider.example": ["127.0.0.1"]}, work()).asked == 1


def test_a_name_that_was_not_found_is_unsent_and_looked_up_again() -> None:
    hosts: dict[str, list[str]] = {}

    async def work() -> None:
        async with listening(always(FINE)) as peer, open_ours() as client:
            url = f"http://provider.example:{peer.port}/"
            answers = await asyncio.gather(*(ask(client, url) for _ in range(3)))
            assert all(isinstance(answer, Unsent) for answer in answers)
            hosts["provider.example"] = ["127.0.0.1"]
            assert isinstance(await ask(client, url), httpx.Response)

    assert run_where(hosts, work()).asked == 2


def test_after_a_refusing_address_the_next_is_tried() -> None:
    async def work() -> None:
        async with listening(always(FINE)) as peer, open_ours() as client:
            assert isinstance(await ask(client, f"http://two.example:{peer.port}/"), httpx.Response)

    run_where({"two.example": ["127.0.0.2", "127.0.0.1"]}, work())


def test_a_silent_address_costs_its_share_of_the_time_once() -> None:
    async def work() -> None:
        async with (
            listening(always(FINE)) as peer,
            open_ours(connect_timeout=timedelta(seconds=1)) as client,
        ):
            with deaf_port("127.0.0.2", peer.port):
                url, loop = f"http://two.example:{peer.port}/", asyncio.get_running_loop()
                begun = loop.time()
                assert isinstance(await ask(client, url), httpx.Response)
                assert loop.time() - begun >= 0.5
                answers = await asyncio.gather(*(ask(client, url, seconds=0.45) for _ in range(5)))
                assert all(isinstance(answer, httpx.Response) for answer in answers)

    run_where({"two.example": ["127.0.0.2", "127.0.0.1"]}, work())


@LOOPS
def test_a_connect_timeout_is_unsent_before_the_call_timeout(run: Run) -> None:
    async def work() -> None:
        with deaf_port() as port:
            async with open_ours(connect_timeout=SHORT) as client:
                answer = await ask(client, f"http://127.0.0.1:{port}/")
                assert answer == Unsent("no connection: not connected within 0.05 s")

    run(work())


@LOOPS
def test_a_refused_connection_frees_its_slot(run: Run) -> None:
    async def work() -> None:
        async with open_ours(max_connections=1) as client:
            with closed_port() as port:
                answers = await asyncio.gather(*(ask(client, f"http://127.0.0.1:{port}/") for _ in range(5)))
            assert all(isinstance(answer, Unsent) for answer in answers)

    run(work())


@pytest.fixture(scope="module")
def localhost(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("certificate"), name="localhost")


@LOOPS
def test_tls_names_its_host_speaks_http_1_and_keeps_the_connection(run: Run, localhost: Certificate) -> None:
    async def work() -> None:
        names: list[str | None] = []
        protocols: list[str | None] = []
        server = localhost.server()
        server.set_alpn_protocols(["h2", "http/1.1"])
        server.sni_callback = lambda _socket, name, _context: names.append(name)

        async def serve(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            protocols.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
            while await read_request(peer, reader):
                writer.write(http_reply(200, b"x" * 100_000))

        async with conversing(serve, tls=server) as peer, open_ours(tls=localhost.trusted()) as client:
            for _ in range(3):
                answer = await ask(client, f"https://localhost:{peer.port}/", content=b"y" * 100_000)
                assert body_of(answer) == b"x" * 100_000
            assert len(peer.requests) == 3
            assert peer.connections == 1
            assert names == ["localhost"]
            assert "h2" not in protocols

    run(work())


@LOOPS
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_an_untrusted_certificate_or_one_of_another_host_is_unsent(
    run: Run, localhost: Certificate, tmp_path: Path, host: str
) -> None:
    async def work() -> None:
        gate = CountingGate()
        others = Certificate(tmp_path, name="other.example").trusted()
        trust = others if host == "localhost" else localhost.trusted()
        async with (
            listening(always(FINE), tls=localhost.server()) as peer,
            open_ours(max_connections=1, tls=trust) as client,
        ):
            for _ in range(2):
                answer = await ask(client, f"https://{host}:{peer.port}/", gate=gate)
                assert isinstance(answer, Unsent)
                assert "certificate verify failed" in answer.reason
            assert gate.asked == 0
            assert not peer.requests

    run(work())


@LOOPS
def test_a_tls_connection_that_breaks_in_an_answer_is_unknown(run: Run, localhost: Certificate) -> None:
    async def work() -> None:
        reply = Reply(HELLO[:-2], hang_up=True)
        async with (
            listening(always(reply), tls=localhost.server()) as peer,
            open_ours(tls=localhost.trusted()) as client,
        ):
            assert isinstance(await ask(client, f"https://localhost:{peer.port}/"), Unknown)

    run(work())


def body_of(answer: httpx.Response | Unsent | Unknown) -> bytes:
    assert isinstance(answer, httpx.Response), answer
    return answer.content
