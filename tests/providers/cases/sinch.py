"""The recipe `sinch` and its provider, as Sinch's documents show them."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace

from dispatcher.domain.delivery.provider import ReceiptRequest
from tests.providers.cases.recipe import NOW, opened, options
from tests.providers.cases.web import speaking
from tests.providers.conformance import CREDENTIAL, Case
from tests.providers.peer import http_reply

NONCE = "01FJA8B4A7BM43YGWSG9GBV067"


def signed(body: bytes, *, at: int = NOW) -> ReceiptRequest:
    data = b"%b.%b.%d" % (body, NONCE.encode(), at)
    digest = hmac.digest(CREDENTIAL.encode(), data, hashlib.sha256)
    headers = {
        "x-sinch-webhook-signature": base64.b64encode(digest).decode(),
        "x-sinch-webhook-signature-algorithm": "HmacSHA256",
        "x-sinch-webhook-signature-nonce": NONCE,
        "x-sinch-webhook-signature-timestamp": str(at),
    }
    return ReceiptRequest("POST", headers, {}, body)


def delivery(status: str, code: int = 0) -> bytes:
    return json.dumps(
        {
            "type": "recipient_delivery_report_sms",
            "batch_id": "p-1",
            "recipient": "254701234567",
            "code": code,
            "status": status,
            "at": "2026-03-01T12:00:00.000Z",
            "client_reference": "m-1",
        }
    ).encode()


SINCH = Case(
    name="sinch",
    factory=opened,
    options=options("sinch", service_plan_id="plan1", api_token=CREDENTIAL, webhook_secret=CREDENTIAL),
    peer=speaking(
        accepts=http_reply(201, {"id": "p-1", "to": ["254701234567"], "canceled": False}),
        rejects=http_reply(400, {"code": "syntax_invalid_parameter_format", "text": "to"}),
    ),
    references=lambda peer: [str(got.document["client_reference"]) for got in peer.requests],
    receipt=lambda word: signed(delivery(word)),
    forged=lambda real: replace(real, body=real.body.replace(b"p-1", b"p-9")),
    garbage=signed(b"\xff{{{"),
    delivered="Delivered",
    undelivered="Failed",
    refs=("p-1",),
)
