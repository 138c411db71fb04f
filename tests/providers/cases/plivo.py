"""The recipe `plivo` and its provider, as Plivo's documents show them."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

from dispatcher.domain.delivery.provider import ReceiptRequest
from tests.providers.cases.recipe import RECEIPT_URL, opened, options
from tests.providers.cases.web import speaking
from tests.providers.conformance import CREDENTIAL, Case
from tests.providers.peer import Got, http_reply

NONCE = "05429567804466091622"


def posted(fields: Mapping[str, str], *, reference: str | None = "m-1") -> ReceiptRequest:
    """Return a request as Plivo signs it: URL, query and sorted fields, separated, and the nonce."""
    query = {} if reference is None else {"reference": reference}
    url = f"{RECEIPT_URL}?{urlencode(query)}" if query else RECEIPT_URL
    mark = ("." if query else "?") if fields else ""
    data = f"{url}{mark}{''.join(f'{name}{fields[name]}' for name in sorted(fields))}.{NONCE}"
    digest = hmac.digest(CREDENTIAL.encode(), data.encode(), hashlib.sha256)
    headers = {
        "x-plivo-signature-v3": f"c2lnbmF0dXJl,{base64.b64encode(digest).decode()}",
        "x-plivo-signature-v3-nonce": NONCE,
    }
    return ReceiptRequest("POST", headers, query, urlencode(fields).encode(), url)


def delivery(status: str, code: str = "000") -> dict[str, str]:
    return {
        "From": "ACME",
        "To": "254701234567",
        "MessageUUID": "p-1",
        "ParentMessageUUID": "p-1",
        "PartInfo": "1 of 1",
        "Status": status,
        "ErrorCode": code,
        "Units": "1",
    }


def reference_of(got: Got) -> str:
    return parse_qs(urlsplit(str(got.document["url"])).query)["reference"][0]


PLIVO = Case(
    name="plivo",
    factory=opened,
    options=options("plivo", auth_id="MAXXXXXXXXXXXXXXXXXX", auth_token=CREDENTIAL),
    peer=speaking(
        accepts=http_reply(
            202, {"api_id": "a-1", "message": "message(s) queued", "message_uuid": ["p-1", "p-2"]}
        ),
        rejects=http_reply(400, {"api_id": "a-1", "error": "dst parameter is invalid"}),
    ),
    references=lambda peer: [reference_of(got) for got in peer.requests],
    receipt=lambda word: posted(delivery(word)),
    forged=lambda real: replace(real, body=real.body.replace(b"p-1", b"p-9")),
    garbage=posted({}, reference="m-1"),
    delivered="delivered",
    undelivered="undelivered",
)
