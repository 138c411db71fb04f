"""The recipe `bird` against what MessageBird documents."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from dispatcher.domain.delivery.provider import Inbound
from dispatcher.domain.errors import BadSignature
from tests.providers.cases.bird import BIRD, called, delivery, refused
from tests.providers.cases.recipe import NOW, RECEIPT_URL
from tests.providers.conformance import CREDENTIAL
from tests.providers.peer import http_reply
from tests.providers.recipes.exchange import head, inbound, meaning, reported, send, table, the_report

ERRORS = table(("deferred", "2 25"), (38, "9 10 20 21 98"), ("unknown", "99"))
WORDS = table((None, "scheduled sent buffered"), (13, "delivered"), (32, "expired"), (38, "delivery_failed"))
REASONS = table(
    (30, "incorrect_number unknown_subscriber"),
    ("31!", "opted_out"),
    (31, "carrier_rejected"),
    (32, "expired"),
    (33, "unavailable_subscriber received_network_error"),
    (None, "DLR_not_received pending_DLR"),
    (38, "insufficient_balance capacity_limit_reached generic_delivery_failure"),
)


def test_a_request_is_that_of_the_documents() -> None:
    _, got = send(BIRD, http_reply(201, {"id": "b-1"}))
    assert got.head.startswith("POST /messages HTTP/1.1\r\n")
    assert head(got)["Authorization"] == f"AccessKey {CREDENTIAL}"
    assert got.document == {
        "originator": "ACME",
        "recipients": "254701234567",
        "body": "hello",
        "datacoding": "auto",
        "validity": 1,
        "reference": "m-1",
        "reportUrl": RECEIPT_URL,
    }


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_of_an_answer_has_its_meaning(code: str) -> None:
    assert meaning(BIRD, refused(int(code))) == ERRORS[code]


def test_a_wrong_recipient_is_an_invalid_number() -> None:
    assert meaning(BIRD, refused(9, "recipients")) == 30
    assert meaning(BIRD, refused(10, "originator")) == 38


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_a_report_has_its_code(word: str) -> None:
    assert reported(BIRD, called(delivery(word, ""))) == WORDS[word]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_a_failure_has_its_code(reason: str) -> None:
    for written in (reason, reason.replace("_", " ")):
        assert reported(BIRD, called(delivery("delivery_failed", written))) == REASONS[reason]


def test_a_reason_of_a_delivered_message_is_ignored() -> None:
    assert reported(BIRD, called(delivery("delivered", "opted out"))) == 13


@pytest.mark.parametrize("at", [NOW - 62, NOW + 2])
def test_a_receipt_is_accepted_only_while_its_token_is_valid(at: int) -> None:
    with pytest.raises(BadSignature):
        the_report(BIRD, called(delivery("delivered"), at=at))


@pytest.mark.parametrize("body", [b"payload=Hello", b""], ids=["another", "none"])
def test_a_receipt_is_accepted_only_with_the_body_that_was_signed(body: bytes) -> None:
    signed = called({}, body=b"payload=Hallo")
    with pytest.raises(BadSignature, match="another body"):
        the_report(BIRD, replace(signed, body=body))


def test_a_message_from_a_handset_is_read_from_a_query_a_form_and_json() -> None:
    written = {
        "id": "i-1",
        "originator": "254701234567",
        "recipient": "31970000000",
        "payload": "Hallo",
        "createdDatetime": "2026-03-01T12:00:00+00:00",
    }
    expected = Inbound("254701234567", "31970000000", "Hallo", "i-1", datetime(2026, 3, 1, 12, tzinfo=UTC))
    posted = called({}, body=urlencode(written).encode())
    assert inbound(BIRD, called(written)) == expected
    assert inbound(BIRD, posted) == expected
    as_json = called({}, body=json.dumps(written).encode())
    assert (
        inbound(BIRD, replace(as_json, headers={**as_json.headers, "content-type": "application/json"}))
        == expected
    )
