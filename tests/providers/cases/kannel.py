"""The recipe `kannel` and a Kannel smsbox, as its user guide and source show it."""

from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

from dispatcher.domain.delivery.provider import ReceiptRequest
from tests.providers.cases.recipe import RECEIPT_URL, opened, options
from tests.providers.cases.web import speaking
from tests.providers.conformance import CREDENTIAL, Case
from tests.providers.peer import Got, http_reply


def called(fields: str, *, token: str = CREDENTIAL) -> ReceiptRequest:
    query = f"token={token}&{fields}"
    known = {name: values[0] for name, values in parse_qs(query).items()}
    return ReceiptRequest("GET", {}, known, b"", f"{RECEIPT_URL}?{query}")


def header(got: Got, name: str) -> str:
    return next(line.partition(": ")[2] for line in got.head.split("\r\n") if line.startswith(f"{name}:"))


def reference_of(got: Got) -> str:
    return parse_qs(urlsplit(header(got, "X-Kannel-DLR-Url")).query)["reference"][0]


KANNEL = Case(
    name="kannel",
    factory=opened,
    options=options("kannel", username="tester", password=CREDENTIAL, receipt_token=CREDENTIAL),
    peer=speaking(
        accepts=http_reply(202, b"0: Accepted for delivery"),
        rejects=http_reply(403, b"Not routable. Do not try again."),
    ),
    references=lambda peer: [reference_of(got) for got in peer.requests],
    receipt=lambda word: called(urlencode({"reference": "m-1", "type": word, "answer": ""})),
    forged=lambda real: replace(real, query={**real.query, "token": "another-token"}),
    garbage=called("type="),
    delivered="1",
    undelivered="2",
    refs=(),
    receipt_ref=None,
)
