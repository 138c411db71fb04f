"""The `smsgate` plug-in and its server, as the public documents of SMSGate show them."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace

from dispatcher.domain.delivery.provider import ReceiptRequest
from dispatcher.providers.smsgate import SmsGate
from tests.providers.cases.web import speaking
from tests.providers.conformance import CREDENTIAL, Case
from tests.providers.peer import http_reply

STAMP = "1772367029"


def options(host: str, port: int) -> Mapping[str, object]:
    return {
        "url": f"http://{host}:{port}/3rdparty/v1",
        "username": "phone",
        "password": CREDENTIAL,
        "signing_key": CREDENTIAL,
    }


def signed(body: bytes) -> ReceiptRequest:
    digest = hmac.new(CREDENTIAL.encode(), body + STAMP.encode(), hashlib.sha256).hexdigest()
    return ReceiptRequest("POST", {"x-timestamp": STAMP, "x-signature": digest}, {}, body)


def event(name: str, **payload: object) -> ReceiptRequest:
    document = {
        "deviceId": "ffffffffceb0b1db0000018e937c815b",
        "event": name,
        "id": "Ey6ECgOkVVFjz3CL48B8C",
        "payload": payload,
        "webhookId": "LreFUt-Z3sSq0JufY9uWB",
    }
    return signed(json.dumps(document).encode())


def state(word: str, error: str | None = None, ref: str = "p-1") -> dict[str, object]:
    """Return a message as the server reports it."""
    recipient = {"phoneNumber": "+254701234567", "state": word, "error": error}
    return {
        "id": ref,
        "deviceId": "PyDmBQZZXYmyxMwED8Fzy",
        "state": word,
        "isHashed": False,
        "isEncrypted": False,
        "recipients": [recipient],
        "states": {word: "2026-03-01T12:10:29Z"},
    }


SMSGATE = Case(
    name="smsgate",
    factory=SmsGate,
    options=options,
    peer=speaking(
        accepts=http_reply(202, state("Pending")),
        rejects=http_reply(400, {"message": "invalid phone number"}),
        says_later=http_reply(503, {"message": "queue limits exceeded"}, Retry_After="7"),
    ),
    references=lambda peer: [str(got.document["id"]) for got in peer.requests],
    receipt=lambda word: event(word, messageId="p-1", phoneNumber="+254701234567"),
    forged=lambda real: replace(real, body=real.body + b" "),
    garbage=signed(b"\xff{{{"),
    delivered="sms:delivered",
    undelivered="sms:failed",
    refs=("p-1",),
)
