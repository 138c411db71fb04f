"""
HTTP as strangers misuse it: where a request ends, what is echoed, redirected and listed.

A request ends where HTTP says, so that no proxy before us sees other requests than we do.
"""

import socket

import httpx
import pytest

from dispatcher.settings import Settings
from tests.api.server import running_api

LAST_HEAD = (
    b" HTTP/1.1\r\nHost: a\r\nX-Secret: echo-me\r\nX-Forwarded-Proto: http\r\nConnection: close\r\n\r\n"
)
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def _exchange(url: str, octets: bytes) -> bytes:
    """Send octets, and return all that is answered until the connection is closed."""
    at = httpx.URL(url)
    with socket.create_connection((at.host, at.port or 80), timeout=10) as peer:
        peer.sendall(octets)
        parts = []
        while part := peer.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 0\r\nContent-Length: 5\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5 5\r\n",
        b"Transfer-Encoding: identity, chunked, x\r\n",
        b"Transfer-Encoding : chunked\r\n",
    ],
)
def test_a_request_with_two_lengths_is_refused_and_its_rest_is_no_request(
    settings: Settings, headers: bytes
) -> None:
    with running_api(settings) as url:
        head = b"POST /sms HTTP/1.1\r\nHost: a\r\n" + headers + b"\r\n"
        answer = _exchange(url, head + b"0\r\n\r\n" + SMUGGLED)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("method", [b"TRACE", b"TRACK", b"CONNECT"])
def test_a_request_is_never_echoed(settings: Settings, method: bytes) -> None:
    with running_api(settings) as url:
        answer = _exchange(url, method + b" /healthz" + LAST_HEAD)
    assert answer.startswith(b"HTTP/1.1 4")
    assert b"echo-me" not in answer


@pytest.mark.parametrize("path", [b"/docs", b"/docs/", b"/api/v1/docs", b"/healthz/", b"/manage/v1"])
def test_an_api_redirects_nobody(settings: Settings, path: bytes) -> None:
    with running_api(settings) as url:
        answer = _exchange(url, b"GET " + path + LAST_HEAD)
    assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 401 ", b"HTTP/1.1 404 "))
    assert b"\r\nlocation:" not in answer.lower()


@pytest.mark.parametrize("path", ["", "..", "../", "%2e%2e/", "./", "..%2f..%2f..%2fpyproject.toml"])
def test_no_folder_is_listed(settings: Settings, path: str) -> None:
    with running_api(settings) as url:
        shown = _exchange(url, b"GET /docs/assets/swagger-ui.css" + LAST_HEAD)
        answer = _exchange(url, f"GET /docs/assets/{path}".encode() + LAST_HEAD)
    assert shown.startswith(b"HTTP/1.1 200 ")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"swagger" not in answer
