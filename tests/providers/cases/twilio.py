"""The `twilio` plug-in and its provider, as Twilio's documents show them."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs, urlencode

from dispatcher.domain.delivery.provider import ReceiptRequest
from dispatcher.providers.twilio import Twilio
from tests.providers.cases.web import speaking
from tests.providers.conformance import CREDENTIAL, Case
from tests.providers.peer import Got, http_reply

ACCOUNT = f"AC{'0' * 32}"
RECEIPTS = "https://sms.our.example/receipts/twilio"


def options(host: str, port: int) -> Mapping[str, object]:
    return {
        "url": f"http://{host}:{port}",
        "account_sid": ACCOUNT,
        "auth_token": CREDENTIAL,
        "receipt_url": RECEIPTS,
    }


def form(got: Got) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(got.body.decode()).items()}


def signed(fields: Mapping[str, str], *, url: str = RECEIPTS, called: str | None = None) -> ReceiptRequest:
    """Return a signed POST of a form; `called` is the URL that Twilio signed, if it differs."""
    text = (called or url) + "".join(name + fields[name] for name in sorted(fields))
    digest = hmac.digest(CREDENTIAL.encode(), text.encode(), hashlib.sha1)
    return ReceiptRequest(
        method="POST",
        headers={"x-twilio-signature": b64encode(digest).decode()},
        query={},
        body=urlencode(fields).encode(),
        url=url,
    )


def receipt(word: str, **more: str) -> ReceiptRequest:
    fields = {"MessageSid": "p-1", "MessageStatus": word, "AccountSid": ACCOUNT, **more}
    return signed(fields, url=f"{RECEIPTS}?reference=m-1")


TWILIO = Case(
    name="twilio",
    factory=Twilio,
    options=options,
    peer=speaking(
        accepts=http_reply(201, {"sid": "p-1", "status": "queued", "error_code": None}),
        rejects=http_reply(400, {"code": 21211, "message": "Invalid 'To'", "status": 400}),
        says_later=http_reply(429, {"code": 20429, "status": 429}, Retry_After="7"),
    ),
    references=lambda peer: [form(got)["StatusCallback"].rpartition("=")[2] for got in peer.requests],
    receipt=receipt,
    forged=lambda real: replace(real, body=real.body + b"&ErrorCode=30003"),
    garbage=ReceiptRequest("POST", {}, {}, b"\xff{{{", RECEIPTS),
    delivered="delivered",
    undelivered="undelivered",
    refs=("p-1",),
)
