"""
The cases of the provider plug-ins, on which the conformance suite in `test_conformance.py` runs.

A new plug-in has one entry in CASES, or a file in `cases/`: how it is created for an address,
how its peer behaves, and what its receipts are.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from dispatcher.domain.delivery.provider import Outgoing, Provider, ProviderConfig, ReceiptRequest
from dispatcher.domain.tier import Tier
from dispatcher.providers.generic_http import HttpProvider
from tests.providers.peer import Peer, Reply, always, http_reply, listening

CREDENTIAL = "a-very-secret-key"
RETRY_AFTER = timedelta(seconds=7)


class Behaviour(Enum):
    """The reaction of a peer to every request."""

    ACCEPTS = auto()
    REJECTS = auto()
    SAYS_LATER = auto()  # after RETRY_AFTER
    IS_SILENT = auto()  # reads, and never answers
    HANGS_UP = auto()  # reads, and closes without an answer
    ANSWERS_HALF = auto()  # closes in the middle of its answer
    TALKS_GARBAGE = auto()  # answers in another protocol
    FAILS = auto()  # answers that it has an error of its own


@dataclass(slots=True)
class CountingGate:
    """An open gate that counts how often it is asked."""

    asked: int = 0

    def __call__(self) -> bool:
        self.asked += 1
        return True


@dataclass(frozen=True, slots=True)
class Case:
    """One plug-in under test."""

    name: str
    factory: Callable[[ProviderConfig], Provider]
    options: Callable[[str, int], Mapping[str, object]]
    peer: Callable[[Behaviour], AbstractAsyncContextManager[Peer]]
    references: Callable[[Peer], list[str]]
    receipt: Callable[[str], ReceiptRequest]
    forged: Callable[[ReceiptRequest], ReceiptRequest]
    garbage: ReceiptRequest
    delivered: str
    undelivered: str
    refs: tuple[str, ...] = ("p-1", "p-2")
    receipt_ref: str | None = "p-1"

    def open(
        self, *, host: str = "127.0.0.1", port: int, call_timeout: float = 5.0, max_connections: int = 20
    ) -> Provider:
        return self.factory(
            ProviderConfig(
                name="under test",
                plugin=self.name,
                options=self.options(host, port),
                max_connections=max_connections,
                call_timeout=timedelta(seconds=call_timeout),
            )
        )


def a_message(reference: str = "m-1", *, attempt: int = 1, text: str = "hello") -> Outgoing:
    return Outgoing(
        reference=reference,
        to="+254701234567",
        sender="ACME",
        text=text,
        segments=1,
        tier=Tier.STANDARD,
        attempt=attempt,
        not_after=datetime(2026, 3, 1, tzinfo=UTC),
    )


def _http_options(host: str, port: int) -> Mapping[str, object]:
    return {
        "url": f"http://{host}:{port}/messages",
        "auth": {"kind": "header", "name": "X-Key", "value": CREDENTIAL},
        "json": {"to": "{to}", "from": "{sender}", "text": "{text}", "ref": "{reference}"},
        "reference": {"path": "ids"},
        "receipts": {
            "ref": "id",
            "reference": "ref",
            "status": "status",
            "words": {"DELIVRD": 13, "UNDELIV": 38, "ENROUTE": None},
            "signature": {
                "kind": "hmac-sha256",
                "secret": CREDENTIAL,
                "header": "X-Signature",
                "encoding": "base64",
            },
        },
    }


_HTTP_REPLIES: Mapping[Behaviour, Reply | bytes] = {
    Behaviour.ACCEPTS: http_reply(200, {"ids": ["p-1", "p-2"]}),
    Behaviour.REJECTS: http_reply(400, {"error": "bad number"}),
    Behaviour.SAYS_LATER: http_reply(429, Retry_After="7"),
    Behaviour.IS_SILENT: Reply(None),
    Behaviour.HANGS_UP: Reply(b"", hang_up=True),
    Behaviour.ANSWERS_HALF: Reply(http_reply(200, {"ids": ["p-1"]})[:-5], hang_up=True),
    Behaviour.TALKS_GARBAGE: Reply(b"\x00\x01 this is not HTTP\r\n\r\n", hang_up=True),
    Behaviour.FAILS: http_reply(500),
}


def _http_receipt(word: str) -> ReceiptRequest:
    body = json.dumps({"id": "p-1", "ref": "m-1", "status": word}).encode()
    return signed_request(body)


def signed_request(body: bytes) -> ReceiptRequest:
    digest = hmac.digest(CREDENTIAL.encode(), body, hashlib.sha256)
    headers = {"x-signature": base64.b64encode(digest).decode()}
    return ReceiptRequest(method="POST", headers=headers, query={}, body=body)


HTTP = Case(
    name="http",
    factory=HttpProvider,
    options=_http_options,
    peer=lambda behaviour: listening(always(_HTTP_REPLIES[behaviour])),
    references=lambda peer: [str(got.document["ref"]) for got in peer.requests],
    receipt=_http_receipt,
    forged=lambda real: ReceiptRequest(
        method=real.method, headers=real.headers, query=real.query, body=real.body + b" "
    ),
    garbage=signed_request(b"\xff{{{"),
    delivered="DELIVRD",
    undelivered="UNDELIV",
)


def _proxied_options(host: str, port: int) -> Mapping[str, object]:
    """Return options with the peer as the proxy, which responds for a provider behind it."""
    behind = {"url": "http://provider.example/messages", "proxy": f"http://{host}:{port}"}
    return {**_http_options(host, port), **behind}


def _aiohttp_options(host: str, port: int) -> Mapping[str, object]:
    return {**_http_options(host, port), "wire": "aiohttp"}


HTTP_BY_PROXY = replace(HTTP, name="http by proxy", options=_proxied_options)
HTTP_OVER_AIOHTTP = replace(HTTP, name="http over aiohttp", options=_aiohttp_options)

CASES = (HTTP, HTTP_BY_PROXY, HTTP_OVER_AIOHTTP)
