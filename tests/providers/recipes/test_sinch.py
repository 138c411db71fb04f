"""The recipe `sinch` against what Sinch documents."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dispatcher.domain.delivery.provider import Accepted, Inbound
from dispatcher.domain.errors import BadReceipt, BadSignature
from tests.providers.cases.recipe import NOW, RECEIPT_URL
from tests.providers.cases.sinch import SINCH, delivery, signed
from tests.providers.conformance import CREDENTIAL
from tests.providers.peer import http_reply
from tests.providers.recipes.exchange import head, inbound, meaning, reported, send, table, the_report

CODES = table((None, "400 401"), (33, "404 417"), (32, "406"), (38, "402 403 405 407 408 410-416 418"))
"""The codes of DeliveryReceiptStatusCode."""

WORDS = table(
    (None, "Queued Dispatched Unknown"),
    (13, "Delivered"),
    (32, "Expired"),
    (38, "Aborted Cancelled Rejected Deleted Failed"),
)


def test_a_request_is_that_of_the_documents() -> None:
    (outcome,), got = send(SINCH, http_reply(201, {"id": "01FC66621XXXXX119Z8PMV1QPQ"}))
    assert outcome == Accepted(("01FC66621XXXXX119Z8PMV1QPQ",))
    assert got.head.startswith("POST /xms/v1/plan1/batches HTTP/1.1\r\n")
    assert head(got)["Authorization"] == f"Bearer {CREDENTIAL}"
    assert got.document == {
        "type": "mt_text",
        "from": "ACME",
        "to": ["254701234567"],
        "body": "hello",
        "expire_at": "2026-03-01T12:00:05.000Z",
        "delivery_report": "per_recipient",
        "callback_url": RECEIPT_URL,
        "client_reference": "m-1",
    }


@pytest.mark.parametrize(
    ("status", "meant"),
    [
        *((200, "accepted"), (400, 38), (401, "deferred"), (403, "deferred"), (404, 38), (415, 38)),
        *((429, "deferred"), (500, "unknown"), (503, "deferred")),
    ],
)
def test_every_status_of_the_documents_has_its_meaning(status: int, meant: int | str) -> None:
    assert meaning(SINCH, http_reply(status, {"id": "b-1", "code": "c", "text": "t"})) == meant


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_a_report_has_its_code(word: str) -> None:
    assert reported(SINCH, signed(delivery(word))) == WORDS[word]


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_a_failure_has_its_code(code: str) -> None:
    assert reported(SINCH, signed(delivery("Failed", int(code)))) == CODES[code]


def test_a_code_of_the_network_leaves_the_word() -> None:
    assert reported(SINCH, signed(delivery("Expired", 27))) == 32
    assert reported(SINCH, signed(delivery("Delivered", 404))) == 13


@pytest.mark.parametrize(
    ("age", "is_taken"), [(0, True), (299, True), (-299, True), (301, False), (-301, False)]
)
def test_a_receipt_counts_for_five_minutes(age: int, is_taken: bool) -> None:
    real = signed(delivery("Delivered"), at=NOW - age)
    if is_taken:
        assert reported(SINCH, real) == 13
    else:
        with pytest.raises(BadSignature, match="300 s off"):
            the_report(SINCH, real)


def test_the_nonce_and_the_time_are_signed_too() -> None:
    real = signed(delivery("Delivered"))
    for name in ("nonce", "timestamp"):
        headers = {**real.headers, f"x-sinch-webhook-signature-{name}": "1"}
        with pytest.raises(BadSignature):
            the_report(SINCH, replace(real, headers=headers))


def test_a_message_from_a_handset_is_read() -> None:
    written = {
        "type": "mo_text",
        "id": "01FC66621XXXXX119Z8PMV1QPQ",
        "from": "254701234567",
        "to": "22345",
        "body": "Hi",
        "received_at": "2026-03-01T12:00:00.123Z",
    }
    assert inbound(SINCH, signed(json.dumps(written).encode())) == Inbound(
        "254701234567",
        "22345",
        "Hi",
        "01FC66621XXXXX119Z8PMV1QPQ",
        datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC),
    )


def test_a_request_without_a_report_or_a_text_is_refused() -> None:
    with pytest.raises(BadReceipt):
        the_report(
            SINCH,
            signed(b'{"type": "mo_new", "id": "x", "from": "1", "to": "2", "body": "aGk="}'),
        )
