"""The recipe `bird` and its provider, as MessageBird's documents show them."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

import jwt

from dispatcher.domain.delivery.provider import ReceiptRequest
from tests.providers.cases.recipe import NOW, RECEIPT_URL, opened, options
from tests.providers.cases.web import speaking
from tests.providers.conformance import CREDENTIAL, Case
from tests.providers.peer import http_reply

SIGNING_KEY = "PlLrKaqvZNRR5zAjm42ZT6q1SQxgbbGd"


def called(fields: Mapping[str, str], *, body: bytes = b"", at: int = NOW) -> ReceiptRequest:
    """Return a request as MessageBird signs it: the URL, and the body if there is one."""
    url = f"{RECEIPT_URL}?{urlencode(fields)}" if fields else RECEIPT_URL
    claims: dict[str, object] = {
        "iss": "MessageBird",
        "nbf": at,
        "exp": at + 60,
        "jti": "j-1",
        "url_hash": hashlib.sha256(url.encode()).hexdigest(),
    }
    if body:
        claims["payload_hash"] = hashlib.sha256(body).hexdigest()
    headers = {"messagebird-signature-jwt": jwt.encode(claims, SIGNING_KEY, algorithm="HS256")}
    return ReceiptRequest("POST" if body else "GET", headers, fields, body, url)


def delivery(status: str, why: str = "successfully delivered") -> dict[str, str]:
    return {
        "id": "p-1",
        "reference": "m-1",
        "recipient": "254701234567",
        "status": status,
        "statusReason": why,
        "statusDatetime": "2026-03-01T12:00:00+00:00",
    }


def refused(code: int, parameter: str | None = None, *, status: int = 422) -> bytes:
    return http_reply(status, {"errors": [{"code": code, "description": "no", "parameter": parameter}]})


BIRD = Case(
    name="bird",
    factory=opened,
    options=options("bird", access_key=CREDENTIAL, signing_key=SIGNING_KEY),
    peer=speaking(
        accepts=http_reply(201, {"id": "p-1", "direction": "mt", "type": "sms", "reference": "m-1"}),
        rejects=refused(9, "originator"),
    ),
    references=lambda peer: [str(got.document["reference"]) for got in peer.requests],
    receipt=lambda word: called(delivery(word, "some reason")),
    forged=lambda real: replace(real, url=real.url.replace("p-1", "p-9")),
    garbage=called({}),
    delivered="delivered",
    undelivered="delivery_failed",
    refs=("p-1",),
)
