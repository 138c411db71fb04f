"""The recipe `plivo` against what Plivo documents."""

import base64
from dataclasses import replace

import pytest

from dispatcher.domain.delivery.provider import Inbound, ReceiptReport
from dispatcher.domain.errors import BadSignature
from dispatcher.domain.messages.status import Status
from tests.providers.cases.plivo import PLIVO, delivery, posted
from tests.providers.cases.recipe import RECEIPT_URL
from tests.providers.conformance import CREDENTIAL
from tests.providers.peer import http_reply
from tests.providers.recipes.exchange import head, inbound, meaning, reported, send, table, the_report

ERRORS = table(
    (30, "50 70"),
    ("31!", "200"),
    (31, "30 100"),
    (32, "420"),
    (33, "20 80"),
    (38, "10 40 60 90 110 201 450 900 1000"),
)
WORDS = table((None, "queued sent"), (13, "delivered read"), (38, "undelivered failed"))


def test_a_request_is_that_of_the_documents() -> None:
    _, got = send(PLIVO, http_reply(202, {"message_uuid": ["u-1"]}))
    assert got.head.startswith("POST /v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/ HTTP/1.1\r\n")
    pair = base64.b64encode(f"MAXXXXXXXXXXXXXXXXXX:{CREDENTIAL}".encode()).decode()
    assert head(got)["Authorization"] == f"Basic {pair}"
    assert got.document == {
        "src": "ACME",
        "dst": "+254701234567",
        "text": "hello",
        "type": "sms",
        "message_expiry": 5,
        "url": f"{RECEIPT_URL}?reference=m-1",
        "method": "POST",
    }


@pytest.mark.parametrize(
    ("status", "meant"),
    [
        *((202, "accepted"), (400, 38), (401, "deferred"), (404, 38), (405, 38)),
        *((429, "deferred"), (500, "unknown")),
    ],
)
def test_every_status_of_the_documents_has_its_meaning(status: int, meant: int | str) -> None:
    assert meaning(PLIVO, http_reply(status, {"api_id": "a", "error": "e"})) == meant


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_a_report_has_its_code(word: str) -> None:
    assert reported(PLIVO, posted(delivery(word))) == WORDS[word]


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_of_a_failure_has_its_code(code: str) -> None:
    assert reported(PLIVO, posted(delivery("failed", code))) == ERRORS[code]


def test_an_undocumented_error_leaves_the_word() -> None:
    assert reported(PLIVO, posted(delivery("undelivered", "4711"))) == 38


def test_a_receipt_names_the_message_by_both_references() -> None:
    report = the_report(PLIVO, posted(delivery("delivered")))
    assert report == ReceiptReport("p-1", "m-1", Status.RECEIVED, "delivered: 000")


def test_a_signature_by_the_main_account_counts_and_one_for_another_url_does_not() -> None:
    real = posted(delivery("delivered"))
    main = {name.replace("-v3", "-ma-v3", 1): value for name, value in real.headers.items()}
    main["x-plivo-signature-v3-nonce"] = real.headers["x-plivo-signature-v3-nonce"]
    main.pop("x-plivo-signature-ma-v3-nonce")
    assert reported(PLIVO, replace(real, headers=main)) == 13
    with pytest.raises(BadSignature):
        the_report(PLIVO, replace(real, url=real.url.replace("m-1", "m-2")))


def test_a_message_from_a_handset_is_read() -> None:
    written = {
        "From": "254701234567",
        "To": "14155550123",
        "Type": "sms",
        "Text": "Grüße & more",
        "MessageUUID": "ccdd3b2c-0dd3-11e5-b27b-22000ac8be30",
        "Units": "1",
    }
    assert inbound(PLIVO, posted(written, reference=None)) == Inbound(
        "254701234567", "14155550123", "Grüße & more", "ccdd3b2c-0dd3-11e5-b27b-22000ac8be30", None
    )
