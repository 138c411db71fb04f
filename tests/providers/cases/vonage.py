"""The `vonage` plug-in and its provider, as Vonage's documents show them."""

import hmac
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs, urlencode

from dispatcher.domain.delivery.provider import ReceiptRequest
from dispatcher.providers.vonage import Vonage
from tests.providers.cases.web import speaking
from tests.providers.conformance import CREDENTIAL, Case
from tests.providers.peer import Got, http_reply

FORM = {"content-type": "application/x-www-form-urlencoded"}


def options(host: str, port: int) -> Mapping[str, object]:
    return {
        "url": f"http://{host}:{port}",
        "api_key": "abcd1234",
        "api_secret": CREDENTIAL,
        "signature_secret": CREDENTIAL,
        "receipt_url": "https://sms.our.example/receipts/vonage",
    }


def form(got: Got) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(got.body.decode()).items()}


def with_sig(fields: Mapping[str, str], *, method: str = "sha256") -> dict[str, str]:
    text = "".join(f"&{name}={fields[name].replace('&', '_').replace('=', '_')}" for name in sorted(fields))
    return {**fields, "sig": hmac.new(CREDENTIAL.encode(), text.encode(), method).hexdigest()}


def posted(fields: Mapping[str, str]) -> ReceiptRequest:
    return ReceiptRequest("POST", FORM, {}, urlencode(fields).encode())


def delivery(word: str, **more: str) -> dict[str, str]:
    return {
        "msisdn": "254701234567",
        "to": "ACME",
        "network-code": "63902",
        "messageId": "p-1",
        "price": "0.03330000",
        "status": word,
        "scts": "2603011310",
        "err-code": "0",
        "client-ref": "m-1",
        "message-timestamp": "2026-03-01 12:10:29",
        "timestamp": "1772367029",
        "nonce": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def part(ref: str, status: str = "0") -> dict[str, str]:
    return {"to": "254701234567", "message-id": ref, "status": status, "message-price": "0.03330000"}


VONAGE = Case(
    name="vonage",
    factory=Vonage,
    options=options,
    peer=speaking(
        accepts=http_reply(200, {"message-count": "2", "messages": [part("p-1"), part("p-2")]}),
        rejects=http_reply(200, {"message-count": "1", "messages": [part("", "6")]}),
        says_later=http_reply(200, {"message-count": "1", "messages": [part("", "1")]}, Retry_After="7"),
    ),
    references=lambda peer: [form(got)["client-ref"] for got in peer.requests],
    receipt=lambda word: posted(with_sig(delivery(word))),
    forged=lambda real: replace(real, body=real.body.replace(b"p-1", b"p-9")),
    garbage=ReceiptRequest("POST", FORM, {}, b"\xff{{{"),
    delivered="delivered",
    undelivered="failed",
)
