"""A stranger's connections are bounded before a request of theirs reaches the application."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import httpx
import pytest

from dispatcher.api import connections
from dispatcher.api.connections import MAX_HEAD, connection_limits
from dispatcher.settings import Settings
from tests.api.server import running_api

HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"


@contextmanager
def _connected(url: str) -> Iterator[socket.socket]:
    at = httpx.URL(url)
    assert at.port is not None
    with socket.create_connection((at.host, at.port), timeout=10) as peer:
        yield peer


def _answer(peer: socket.socket) -> bytes:
    """Return all that is received until the connection is closed."""
    parts = []
    try:
        while part := peer.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def _sent_until_closed(peer: socket.socket, part: bytes, *, most: int, pause: float = 0) -> int:
    """Send a part again and again until the connection is closed, and return how often."""
    for sent in range(most):
        try:
            peer.sendall(part)
        except OSError:
            return sent
        time.sleep(pause)
    return most


def _header(octets: int) -> bytes:
    return b"X-Filler: " + b"a" * octets + b"\r\n"


@pytest.mark.parametrize("end", [b"\r\n", b""], ids=["whole", "never ends"])
def test_a_head_of_more_than_64_kib_is_431(settings: Settings, end: bytes) -> None:
    with running_api(settings) as url, _connected(url) as peer:
        peer.sendall(HEAD + _header(MAX_HEAD) + end)
        assert _answer(peer).startswith(b"HTTP/1.1 431 ")


def test_many_small_headers_are_one_large_head(settings: Settings) -> None:
    with running_api(settings) as url, _connected(url) as peer:
        peer.sendall(HEAD + _header(100) * 700 + b"\r\n")
        assert _answer(peer).startswith(b"HTTP/1.1 431 ")


def test_a_long_path_is_431(settings: Settings) -> None:
    with running_api(settings) as url, _connected(url) as peer:
        peer.sendall(b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert _answer(peer).startswith(b"HTTP/1.1 431 ")


def test_a_large_body_and_a_second_request_are_no_part_of_a_head(settings: Settings) -> None:
    with running_api(settings) as url, _connected(url) as peer:
        body = b"a" * (2 * MAX_HEAD)
        post = HEAD.replace(b"GET", b"POST") + b"Content-Length: %d\r\n\r\n" % len(body) + body
        peer.sendall(post + HEAD + _header(MAX_HEAD - 1000) + b"Connection: close\r\n\r\n")
        answer = _answer(peer)
        assert answer.count(b"HTTP/1.1 405 ") == 1
        assert answer.count(b"HTTP/1.1 200 ") == 1


def test_a_hundred_megabytes_of_header_are_not_read(settings: Settings) -> None:
    with running_api(settings) as url, _connected(url) as peer:
        peer.sendall(HEAD + b"X-Filler: ")
        began = time.monotonic()
        assert _sent_until_closed(peer, b"a" * 100_000, most=1000) < 200
        assert time.monotonic() - began < 5
        assert httpx.get(f"{url}/healthz").status_code == 200


@pytest.mark.parametrize("sent", [b"", b"GET /heal", HEAD])
def test_a_head_that_takes_too_long_is_not_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_TIME", timedelta(seconds=0.3))
    with running_api(settings) as url, _connected(url) as peer:
        peer.sendall(sent)
        answer = _answer(peer)
        assert answer.startswith(b"HTTP/1.1 408 ") if sent else answer == b""


def test_a_connection_that_has_been_answered_has_a_new_time_for_its_next_head(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_TIME", timedelta(seconds=0.5))
    with running_api(settings) as url, _connected(url) as peer:
        for _ in range(4):
            peer.sendall(HEAD + b"\r\n")
            received = b""
            while not received.endswith(b'{"status":"alive"}'):
                received += peer.recv(65536)
            time.sleep(0.2)
        peer.sendall(HEAD)
        assert _answer(peer).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_trickles_is_not_waited_for(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_TIME", timedelta(seconds=0.4))
    with running_api(settings) as url, _connected(url) as peer:
        peer.sendall(b"POST /sms HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{")
        assert _sent_until_closed(peer, b" ", most=100, pause=0.05) < 40


def test_a_large_body_that_arrives_steadily_is_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BODY_TIME", timedelta(seconds=0.2))
    monkeypatch.setattr(connections, "MIN_BODY", 1000)
    with running_api(settings) as url, _connected(url) as peer:
        size = 20_000
        peer.sendall(
            b"POST /v1/sms/send HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size
        )
        for _ in range(20):
            peer.sendall(b" " * (size // 20))
            time.sleep(0.04)
        assert _answer(peer).startswith(b"HTTP/1.1 401 ")


def test_half_heads_make_room_for_those_who_send_whole_ones(settings: Settings) -> None:
    with running_api(settings, most_connections=20) as url, ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(_connected(url)).sendall(b"GET / HTT")
        for _ in range(10):
            assert httpx.get(f"{url}/healthz").status_code == 200


def test_connections_stay_below_the_limit_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"now": (1024, 4096)}

    def change(_: int, new: tuple[int, int]) -> None:
        limits["now"] = new

    monkeypatch.setattr(resource, "getrlimit", lambda _: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", change)
    assert connection_limits().most == 4096 - 256
    assert limits["now"] == (4096, 4096)
    limits["now"] = (256, 256)
    assert connection_limits().most == 128
    limits["now"] = (1024, resource.RLIM_INFINITY)
    assert connection_limits().most == 10_000
