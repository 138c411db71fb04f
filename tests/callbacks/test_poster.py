import asyncio
import shutil
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from dispatcher.callbacks.look_ups import LookUps
from dispatcher.callbacks.poster import HttpPoster
from dispatcher.domain.callbacks.callback import CallbackReply, CallbackRequest, Poster
from dispatcher.domain.callbacks.slots import MAX_CALLS_OF_HOST
from dispatcher.domain.callbacks.urls import UrlRules
from dispatcher.version import VERSION
from tests.callbacks.internet import Names, run
from tests.providers.peer import Reply as Answer
from tests.providers.peer import a_date, always, closed_port, deaf_port, http_reply, listening

SHORT = timedelta(milliseconds=200)


@asynccontextmanager
async def a_poster(
    *,
    resolver: Names | None = None,
    timeout: timedelta = timedelta(seconds=10),
    connect_timeout: timedelta = timedelta(seconds=5),
    body_timeout: timedelta = timedelta(seconds=2),
) -> AsyncIterator[Poster]:
    poster = HttpPoster(
        rules=UrlRules(allow_private=True),
        look_ups=None if resolver is None else LookUps(resolver),
        timeout=timeout,
        connect_timeout=connect_timeout,
        body_timeout=body_timeout,
    )
    try:
        yield poster
    finally:
        await poster.close()


def a_call(url: str, body: bytes = b"{}", **headers: str) -> CallbackRequest:
    return CallbackRequest(url, body, headers)


def reply_to(
    answer: Answer | bytes,
    *,
    timeout: timedelta = timedelta(seconds=10),
    body_timeout: timedelta = timedelta(seconds=2),
) -> CallbackReply:
    async def work() -> CallbackReply:
        limits = a_poster(timeout=timeout, body_timeout=body_timeout)
        async with listening(always(answer)) as peer, limits as poster:
            return await poster.post(a_call(peer.url))

    return run(work())


def test_the_body_the_headers_and_the_url_are_sent_unchanged() -> None:
    async def work() -> None:
        async with listening(always(http_reply(200))) as peer, a_poster() as poster:
            body = "{'text': 'Grüße'}".encode()
            call = CallbackRequest(
                f"{peer.url}/a%2Fb/../%7e?q=%41+b&x=[1]#part",
                body,
                {"webhook-id": "evt_1", "Content-Type": "a/b"},
            )
            assert await poster.post(call) == CallbackReply(200, "HTTP 200")
            (got,) = peer.requests
            assert got.body == body
            assert got.head.startswith("POST /a%2Fb/../%7e?q=%41+b&x=[1] HTTP/1.1\r\n")
            lines = got.head.lower().split("\r\n")
            assert {"webhook-id: evt_1", "content-type: a/b", f"user-agent: sms-dispatcher/{VERSION}"} <= set(
                lines
            )

    run(work())


@pytest.mark.parametrize("status", [200, 204, 400, 404, 410, 429, 500, 503])
def test_any_status_is_a_reply(status: int) -> None:
    assert reply_to(http_reply(status)) == CallbackReply(status, f"HTTP {status}")


def test_a_redirect_is_a_reply_and_is_not_followed() -> None:
    async def work() -> None:
        async with (
            listening(always(http_reply(200))) as target,
            listening(always(http_reply(302, Location=target.url))) as peer,
            a_poster() as poster,
        ):
            assert await poster.post(a_call(peer.url)) == CallbackReply(302, "HTTP 302")
            assert target.connections == 0

    run(work())


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("120", timedelta(seconds=120)),
        ("0", timedelta(0)),
        (a_date(hour=13), timedelta(hours=1)),
        (a_date(hour=11), timedelta(0)),
        ("9" * 30, timedelta(days=1)),
        ("Mon, 01 Jan 2990 00:00:00 GMT", timedelta(days=1)),
        ("-5", None),
        ("soon", None),
        ("Mon, 01 Jan 2026 00:00:00", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_in_seconds_or_a_date_relative_to_the_answers_date(
    said: str, read: timedelta | None
) -> None:
    reply = reply_to(http_reply(503, Retry_After=said, Date=a_date(hour=12)))
    assert reply == CallbackReply(503, "HTTP 503", retry_after=read)


def test_retry_after_as_a_date_is_ignored_without_the_answers_date() -> None:
    assert reply_to(http_reply(503, Retry_After=a_date(hour=13))).retry_after is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(b"", hang_up=True), "the server hung up without an answer"),
        (Answer(b"HTTP/1.1 200 OK\r\nContent-", hang_up=True), "the server hung up without an answer"),
        (Answer(b"SSH-2.0-OpenSSH_9.9\r\n\r\n", hang_up=True), "the answer is not HTTP"),
        (Answer(http_reply(200, X="x" * 100_000), hang_up=True), "the answer is not HTTP"),
        (Answer(http_reply(200, Transfer_Encoding="chunked"), hang_up=True), "the answer is not HTTP"),
    ],
    ids=["at once", "within the head", "another protocol", "a head too long", "two lengths"],
)
def test_a_call_without_an_http_answer_has_a_reason_in_words(answer: Answer, reason: str) -> None:
    assert reply_to(answer) == CallbackReply(None, reason)


def test_a_refused_connection_is_a_reply() -> None:
    async def work() -> CallbackReply:
        with closed_port() as port:
            async with a_poster() as poster:
                return await poster.post(a_call(f"http://127.0.0.1:{port}/"))

    assert run(work()) == CallbackReply(None, "connection refused")


def test_a_server_that_does_not_accept_is_given_up_at_the_connect_timeout() -> None:
    async def work() -> CallbackReply:
        with deaf_port() as port:
            async with a_poster(connect_timeout=SHORT) as poster:
                return await poster.post(a_call(f"http://127.0.0.1:{port}/"))

    assert run(work()) == CallbackReply(None, "no connection within 0.2 s")


def test_a_server_that_does_not_answer_is_given_up_at_the_timeout() -> None:
    assert reply_to(Answer(None), timeout=SHORT) == CallbackReply(None, "no answer within 0.2 s")


def test_a_status_counts_although_its_answer_never_ends() -> None:
    half = Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it")
    assert reply_to(half, body_timeout=SHORT) == CallbackReply(200, "HTTP 200")


def test_a_status_counts_although_its_answer_breaks_off() -> None:
    half = Answer(b"HTTP/1.1 410 Gone\r\nContent-Length: 100\r\n\r\nhalf of it", hang_up=True)
    assert reply_to(half) == CallbackReply(410, "HTTP 410")


def test_an_answer_of_64_kib_is_read_and_its_connection_used_again() -> None:
    async def work() -> None:
        async with listening(always(http_reply(200, b"x" * 65_536))) as peer, a_poster() as poster:
            for _ in range(2):
                assert (await poster.post(a_call(peer.url))).status == 200
            assert peer.connections == 1

    run(work())


def test_the_connection_is_closed_on_an_answer_beyond_64_kib() -> None:
    async def work() -> None:
        endless = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n" + b"x" * 200_000
        async with listening(always(endless)) as peer, a_poster(timeout=timedelta(minutes=1)) as poster:
            call = asyncio.create_task(poster.post(a_call(peer.url)))
            await peer.until_left()
            assert await call == CallbackReply(200, "HTTP 200")

    run(work())


def test_a_compressed_answer_is_not_decompressed() -> None:
    answer = http_reply(200, b"this is no gzip", Content_Encoding="gzip")

    async def work() -> None:
        async with listening(always(answer)) as peer, a_poster() as poster:
            for _ in range(2):
                assert await poster.post(a_call(peer.url)) == CallbackReply(200, "HTTP 200")
            assert peer.connections == 1

    run(work())


def test_a_cookie_is_not_kept() -> None:
    async def work() -> None:
        names = Names(["127.0.0.1"])
        answer = http_reply(200, Set_Cookie="session=1; Path=/")
        async with listening(always(answer)) as peer, a_poster(resolver=names) as poster:
            for _ in range(2):
                await poster.post(a_call(f"http://hook.example:{peer.port}/"))
            assert not any("cookie" in got.head.lower() for got in peer.requests)
            assert all(f"Host: hook.example:{peer.port}\r\n" in got.head for got in peer.requests)

    run(work())


def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with closed_port() as nobody:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{nobody}")
        assert reply_to(http_reply(200)).status == 200


def test_a_host_gets_no_more_connections_than_its_slots() -> None:
    async def work() -> None:
        async with a_full_house(MAX_CALLS_OF_HOST) as (port, connections), a_poster() as poster:
            calls = (poster.post(a_call(f"http://127.0.0.1:{port}/")) for _ in range(MAX_CALLS_OF_HOST + 5))
            assert {reply.status for reply in await asyncio.gather(*calls)} == {200}
            assert len(connections) == MAX_CALLS_OF_HOST

    run(work())


def test_a_call_during_which_the_poster_is_closed_is_a_reply() -> None:
    async def work() -> None:
        async with listening(always(Answer(None))) as peer, a_poster() as poster:
            calls = [asyncio.create_task(poster.post(a_call(peer.url))) for _ in range(MAX_CALLS_OF_HOST + 5)]
            await peer.until(lambda peer: len(peer.requests) == MAX_CALLS_OF_HOST)
            await poster.close()
            assert {reply.status for reply in await asyncio.gather(*calls)} == {None}

    run(work())


def test_a_call_that_is_cancelled_is_cancelled_and_no_reply() -> None:
    async def work() -> None:
        async with listening(always(Answer(None))) as peer, a_poster() as poster:
            calls = [asyncio.create_task(poster.post(a_call(peer.url))) for _ in range(MAX_CALLS_OF_HOST + 5)]
            await peer.until(lambda peer: len(peer.requests) == MAX_CALLS_OF_HOST)
            for call in calls:
                call.cancel()
            ends = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(end) for end in ends} == {asyncio.CancelledError}

    run(work())


def test_a_name_server_that_hangs_is_given_up_at_its_deadline() -> None:
    asked, answer = threading.Event(), threading.Event()

    def hang(_host: str, _port: int) -> list[str]:
        asked.set()
        answer.wait(10)
        return ["127.0.0.1"]

    async def work() -> None:
        poster = HttpPoster(look_ups=LookUps(hang, deadline=SHORT))
        call = asyncio.create_task(poster.post(a_call("http://hook.example/")))
        await asyncio.to_thread(asked.wait, 10)
        done, _ = await asyncio.wait([call], timeout=3 * SHORT.total_seconds())
        assert not done  # it keeps its slot, so that its account cannot hold one thread after another
        answer.set()
        assert await call == CallbackReply(None, "the host hook.example was not found within 0.2 s")
        await poster.close()

    run(work())


def test_a_name_without_an_address_is_a_reply() -> None:
    async def work() -> CallbackReply:
        async with a_poster(resolver=Names([])) as poster:
            return await poster.post(a_call("http://hook.example/"))

    assert run(work()) == CallbackReply(None, "no address was found for the host hook.example")


def test_a_bad_url_is_refused_in_words() -> None:
    async def work() -> CallbackReply:
        async with a_poster() as poster:
            return await poster.post(a_call("ftp://hook.example/"))

    assert run(work()) == CallbackReply(
        None, "the URL must begin with https:// or http://, not with ftp", refused=True
    )


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl writes the certificate")
def test_a_self_signed_certificate_is_not_trusted(tmp_path: Path) -> None:
    async def work() -> None:
        server = await asyncio.start_server(hang_up, "127.0.0.1", ssl=_self_signed(tmp_path))
        async with server, a_poster() as poster:
            port = server.sockets[0].getsockname()[1]
            reply = await poster.post(a_call(f"https://localhost:{port}/"))
        assert reply.status is None
        assert reply.reason.startswith("the certificate is not valid: self")
        assert not reply.refused

    run(work())


def test_https_to_a_server_without_tls_is_a_reply() -> None:
    async def work() -> CallbackReply:
        server = await asyncio.start_server(answer_in_plain, "127.0.0.1")
        async with server, a_poster() as poster:
            port = server.sockets[0].getsockname()[1]
            return await poster.post(a_call(f"https://127.0.0.1:{port}/"))

    reply = run(work())
    assert reply.status is None
    assert reply.reason.startswith("no TLS connection: ")


def test_a_poster_may_be_closed_twice_and_without_a_call() -> None:
    async def work() -> None:
        async with listening(always(http_reply(200))) as peer:
            poster = HttpPoster(rules=UrlRules(allow_private=True))
            await poster.close()
            assert (await poster.post(a_call(peer.url))).status == 200
            await poster.close()
            await poster.close()
            await peer.until_left()

    run(work())


@asynccontextmanager
async def a_full_house(size: int) -> AsyncIterator[tuple[int, list[str]]]:
    """Serve, but answer only when there are `size` requests; yield the port and the connections' names."""
    connections: list[str] = []
    full = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(str(writer.get_extra_info("peername")))
        while head := await reader.read(65_536):
            if head.count(b"POST") and len(connections) >= size:
                full.set()
            await full.wait()
            writer.write(http_reply(200))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server:
        yield server.sockets[0].getsockname()[1], connections


async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def answer_in_plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(http_reply(400))
    await writer.drain()
    writer.close()


def _self_signed(directory: Path) -> ssl.SSLContext:
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
