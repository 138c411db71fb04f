"""The recipe `telnyx` and its provider, as Telnyx's documents show them."""

import base64
import json
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dispatcher.domain.delivery.provider import ReceiptRequest
from tests.providers.cases.recipe import NOW, opened, options
from tests.providers.cases.web import speaking
from tests.providers.conformance import CREDENTIAL, Case
from tests.providers.peer import http_reply

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def signed(body: bytes, *, at: int = NOW) -> ReceiptRequest:
    headers = {
        "telnyx-signature-ed25519": base64.b64encode(KEY.sign(b"%d|%b" % (at, body))).decode(),
        "telnyx-timestamp": str(at),
    }
    return ReceiptRequest("POST", headers, {}, body)


def delivery(status: str, *codes: str) -> bytes:
    payload = {
        "id": "p-1",
        "direction": "outbound",
        "from": {"phone_number": "ACME"},
        "to": [{"phone_number": "+254701234567", "status": status, "carrier": "", "line_type": ""}],
        "text": "hello",
        "errors": [{"code": code, "title": f"error {code}"} for code in codes],
    }
    return json.dumps(
        {"data": {"event_type": "message.finalized", "id": "e-1", "payload": payload}, "meta": {"attempt": 1}}
    ).encode()


def refused(code: str, status: int = 422) -> bytes:
    return http_reply(status, {"errors": [{"code": code, "title": f"error {code}", "detail": "no"}]})


TELNYX = Case(
    name="telnyx",
    factory=opened,
    options=options(
        "telnyx",
        api_key=CREDENTIAL,
        public_key=base64.b64encode(KEY.public_key().public_bytes_raw()).decode(),
    ),
    peer=speaking(
        accepts=http_reply(200, {"data": {"id": "p-1", "record_type": "message", "errors": []}}),
        rejects=refused("40310"),
    ),
    references=lambda peer: [
        str(got.document["webhook_url"]).partition("reference=")[2] for got in peer.requests
    ],
    receipt=lambda word: signed(delivery(word)),
    forged=lambda real: replace(real, body=real.body + b" "),
    garbage=signed(b"\xff{{{"),
    delivered="delivered",
    undelivered="delivery_failed",
    refs=("p-1",),
)
