"""
The reaction of each transport to a server that breaks the rules.

Every case makes two calls with the same client: the second response shows that
a doubtful connection was closed, and that no response belongs to the wrong
request.
"""

import asyncio
import gzip
from dataclasses import dataclass

import httpx
import pytest

from dispatcher.domain.delivery.provider import Unknown, Unsent
from dispatcher.providers.http_client.connection import MAX_HEAD, MAX_RESPONSE
from tests.providers.conformance import CountingGate
from tests.providers.peer import Got, Peer, Reply, always, conversing, http_reply, listening, read_request
from tests.providers.transports import LOOPS, WIRES, OpenClient, Run, ask, run

pytestmark = WIRES
HELLO = http_reply(200, b"hello")
FINE = http_reply(200, b"fine")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SPACED = b"HTTP/1.1 200 OK\r\nContent-Length: "


@dataclass(frozen=True, slots=True)
class Said:
    """One response, its expected reading, and whether its connection serves the next call."""

    rule: str
    reply: Reply
    status: int = 200
    body: bytes = b"hello"
    kept: bool = True

    def __str__(self) -> str:
        return self.rule.replace(" ", "-")


def ends(data: bytes) -> Reply:
    return Reply(data, hang_up=True)


READABLE = [
    Said("a body of a stated length", Reply(HELLO)),
    Said("a body byte by byte", Reply(HELLO, byte_by_byte=True)),
    Said("chunks", Reply(CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")),
    Said("chunks byte by byte", Reply(CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", byte_by_byte=True)),
    Said("chunks with extensions", Reply(CHUNKED + b"5;a=b\r\nhello\r\n0\r\n\r\n")),
    Said("chunks and trailers", Reply(CHUNKED + b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n")),
    Said("no content", Reply(http_reply(204).replace(b"Content-Length: 0\r\n", b"")), status=204, body=b""),
    Said("not modified", Reply(b"HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n"), status=304, body=b""),
    Said("an empty body", Reply(http_reply(202)), status=202, body=b""),
    Said("100 first", Reply(b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO)),
    Said("several 1xx first", Reply(b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n" * 3 + HELLO, byte_by_byte=True)),
    Said("lines that end in LF alone", Reply(HELLO.replace(b"\r\n", b"\n"))),
    Said("no length but the end", ends(b"HTTP/1.1 200 OK\r\n\r\nhello"), kept=False),
    Said("an old server", Reply(HELLO.replace(b"1.1", b"1.0")), kept=False),
    Said("connection close", Reply(http_reply(200, b"hello", Connection="close")), kept=False),
    Said("two answers", Reply(HELLO + http_reply(500, b"other")), kept=False),
    Said("gzip", Reply(http_reply(200, gzip.compress(b"hello"), Content_Encoding="gzip"))),
    Said("a body of 1 MB", Reply(http_reply(200, b"x" * 1_000_000)), body=b"x" * 1_000_000),
]


@LOOPS
@pytest.mark.parametrize("said", READABLE, ids=str)
def test_a_whole_answer_is_read_and_a_clean_connection_is_kept(
    open_wire: OpenClient, run: Run, said: Said
) -> None:
    async def work() -> None:
        async with (
            listening(lambda _, number: said.reply if number == 0 else Reply(FINE)) as peer,
            open_wire() as client,
        ):
            answer = await ask(client, peer.url)
            assert isinstance(answer, httpx.Response)
            assert (answer.status_code, answer.content) == (said.status, said.body)
            assert body_of(await ask(client, peer.url)) == b"fine"
            assert peer.connections == (1 if said.kept else 2)
            assert len(peer.requests) == 2

    run(work())


UNREADABLE = {
    "nothing": ends(b""),
    "half a status line": ends(b"HTTP/1.1 2"),
    "half a head": ends(HELLO[:30]),
    "half a body": ends(HELLO[:-2]),
    "a length that is never reached": ends(SPACED + b"50\r\n\r\nhello"),
    "half a chunk": ends(CHUNKED + b"5\r\nhel"),
    "chunks without an end": ends(CHUNKED + b"5\r\nhello\r\n"),
    "only 100": ends(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "more than the stated length": Reply(SPACED + b"5\r\n\r\nhello, world"),
    "a negative length": Reply(SPACED + b"-5\r\n\r\nhello"),
    "a length that is no number": Reply(SPACED + b"five\r\n\r\nhello"),
    "two lengths": Reply(SPACED + b"5\r\nContent-Length: 7\r\n\r\nhello"),
    "a length and chunks": Reply(SPACED + b"5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    "a chunk longer than its size": Reply(CHUNKED + b"3\r\nhello\r\n0\r\n\r\n"),
    "a chunk size that is no number": Reply(CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n"),
    "garbage": Reply(b"\x00\x01\x02 SMPP speaking \r\n\r\n"),
    "another protocol": Reply(b"220 mail.example ESMTP\r\n"),
    "an upgrade nobody asked for": ends(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n\x00"
    ),
    "a head that is too long": Reply(
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 3 * MAX_HEAD + b"\r\nContent-Length: 0\r\n\r\n"
    ),
    "a head that never ends": Reply(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * MAX_HEAD),
    "a body that is too long": Reply(http_reply(200, b"x" * 2 * MAX_RESPONSE)),
    "chunks that never end": Reply(CHUNKED + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 34),
}


@LOOPS
@pytest.mark.parametrize("reply", UNREADABLE.values(), ids=UNREADABLE)
def test_a_truncated_or_false_response_is_unknown_and_its_connection_is_closed(
    open_wire: OpenClient, run: Run, reply: Reply
) -> None:
    async def work() -> None:
        async with (
            listening(lambda _, number: reply if number == 0 else Reply(FINE)) as peer,
            open_wire() as client,
        ):
            assert isinstance(await ask(client, peer.url, seconds=1), Unknown)
            assert body_of(await ask(client, peer.url)) == b"fine"
            assert peer.connections == 2
            assert len(peer.requests) == 2

    run(work())


STALLS = {
    "before the answer": b"",
    "in the head": HELLO[:30],
    "in the body": HELLO[:-2],
    "in a chunk": CHUNKED + b"5\r\nhel",
    "after 100": b"HTTP/1.1 100 Continue\r\n\r\n",
}


@LOOPS
@pytest.mark.parametrize("begun", STALLS.values(), ids=STALLS)
def test_a_response_that_stalls_is_unknown_and_late_bytes_are_ignored(
    open_wire: OpenClient, run: Run, begun: bytes
) -> None:
    async def work() -> None:
        given_up = asyncio.Event()

        async def stall_once(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await read_request(peer, reader):
                if len(peer.requests) > 1:
                    writer.write(FINE)
                    continue
                writer.write(begun)
                await given_up.wait()
                writer.write(HELLO[len(begun) :])

        async with conversing(stall_once) as peer, open_wire() as client:
            assert isinstance(await ask(client, peer.url, seconds=0.1), Unknown)
            given_up.set()
            assert body_of(await ask(client, peer.url)) == b"fine"
            assert peer.connections == 2
            assert len(peer.requests) == 2

    run(work())


@LOOPS
def test_a_connection_that_is_closed_at_once_is_unsent_only_if_no_byte_was_written(
    open_wire: OpenClient, run: Run
) -> None:
    async def work() -> None:
        async def slam(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        gate = CountingGate()
        async with conversing(slam) as peer, open_wire() as client:
            for _ in range(10):
                answer = await ask(client, peer.url, gate=gate)
                assert isinstance(answer, Unsent | Unknown)
                assert gate.asked == isinstance(answer, Unknown)
                gate.asked = 0

    run(work())


@LOOPS
def test_a_response_to_head_has_no_body_whatever_its_length_says(open_wire: OpenClient, run: Run) -> None:
    async def work() -> None:
        def heads(got: Got, _number: int) -> Reply:
            return Reply(HELLO.removesuffix(b"hello") if got.head.startswith("HEAD") else FINE)

        async with listening(heads) as peer, open_wire() as client:
            answer = await ask(client, peer.url, method="HEAD")
            assert isinstance(answer, httpx.Response)
            assert (answer.status_code, answer.content) == (200, b"")
            assert body_of(await ask(client, peer.url)) == b"fine"

    run(work())


@LOOPS
def test_a_kept_connection_that_the_server_ends_is_not_used_again(open_wire: OpenClient, run: Run) -> None:
    async def work() -> None:
        async def answer_and_end(
            peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await read_request(peer, reader)
            writer.write(HELLO)
            writer.write_eof()
            await reader.read()

        async with conversing(answer_and_end) as peer, open_wire() as client:
            for _ in range(3):
                assert body_of(await ask(client, peer.url)) == b"hello"
                await peer.until_left()
            assert peer.connections == 3

    run(work())


def test_a_body_that_is_not_compressed_as_it_says_is_unknown(open_wire: OpenClient) -> None:
    async def work() -> None:
        reply = Reply(http_reply(200, b"hello", Content_Encoding="gzip"))
        async with listening(lambda _, number: reply) as peer, open_wire() as client:
            assert isinstance(await ask(client, peer.url), Unknown)

    run(work())


def test_the_reason_says_what_was_wrong(open_wire: OpenClient) -> None:
    async def work() -> None:
        async with listening(lambda _, number: ends(HELLO[:-2])) as peer, open_wire() as client:
            answer = await ask(client, peer.url)
            assert isinstance(answer, Unknown)
            assert answer.reason.startswith("no answer: ")

    run(work())


def test_the_url_is_sent_unchanged(open_wire: OpenClient) -> None:
    """A provider that signs its URLs, or reads "+" as a blank, gets the intended URL."""
    target = "/a%2Fb/%7Ec?to=%2B254&text=a+b%20c&x=%c3%A9&y=a%26b"

    async def work() -> None:
        async with listening(always(FINE)) as server, open_wire() as client:
            assert isinstance(await ask(client, f"{server.url}{target}"), httpx.Response)
            assert [request.target for request in server.requests] == [target]

    run(work())


def body_of(answer: httpx.Response | Unsent | Unknown) -> bytes:
    assert isinstance(answer, httpx.Response), answer
    return answer.content
