"""The recipe `telnyx` against what Telnyx documents."""

import json
from datetime import UTC, datetime

import pytest

from dispatcher.domain.delivery.provider import Inbound
from dispatcher.domain.errors import BadSignature
from tests.providers.cases.recipe import NOW, RECEIPT_URL
from tests.providers.cases.telnyx import TELNYX, delivery, refused, signed
from tests.providers.conformance import CREDENTIAL
from tests.providers.peer import http_reply
from tests.providers.recipes.exchange import head, inbound, meaning, reported, send, table, the_report

FINAL = (
    (30, "10001 10002 10016 40001 40012 40310"),
    ("31!", "40300"),
    (31, "40002 40003 40015 40017 40322"),
    (32, "40005 40014"),
    (33, "40006"),
)
PLAIN = (
    "10003-10006 10015 40004 40007-40010 40013 40100 40150 40151 40301 40302 40304-40306 40308 40309 "
    "40311 40313 40315-40317 40319 40328 40329"
)
LATER = "10009-10011 20002 20006 20012-20017 20100 40011 40016 40018 40312 40314 40318 40320 40321"

ANSWERS = table(*FINAL, (38, PLAIN), ("deferred", LATER), ("unknown", "10007"))
"""The codes of "Messaging error codes"."""

ENDS = table(*FINAL, (38, PLAIN), (38, LATER), (38, "10007"))

WORDS = table(
    (None, "scheduled queued sending sent delivery_unconfirmed"),
    (13, "delivered"),
    (32, "expired"),
    (38, "cancelled sending_failed delivery_failed"),
)


def test_a_request_is_that_of_the_documents() -> None:
    _, got = send(TELNYX, http_reply(200, {"data": {"id": "t-1"}}))
    assert got.head.startswith("POST /v2/messages HTTP/1.1\r\n")
    assert head(got)["Authorization"] == f"Bearer {CREDENTIAL}"
    assert got.document == {
        "from": "ACME",
        "to": "+254701234567",
        "text": "hello",
        "type": "SMS",
        "webhook_url": f"{RECEIPT_URL}?reference=m-1",
        "use_profile_webhooks": False,
    }


@pytest.mark.parametrize("code", ANSWERS)
@pytest.mark.parametrize("status", [403, 422])
def test_every_error_of_an_answer_has_its_meaning(code: str, status: int) -> None:
    assert meaning(TELNYX, refused(code, status)) == ANSWERS[code]


@pytest.mark.parametrize(
    ("status", "meant"),
    [(200, "accepted"), (401, "deferred"), (422, 38), (429, "deferred"), (500, "unknown"), (503, "deferred")],
)
def test_an_answer_without_a_code_means_what_http_says(status: int, meant: int | str) -> None:
    assert meaning(TELNYX, http_reply(status, {"data": {"id": "t-1"}} if status == 200 else None)) == meant


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_a_report_has_its_code(word: str) -> None:
    assert reported(TELNYX, signed(delivery(word))) == WORDS[word]


@pytest.mark.parametrize("code", ENDS)
def test_every_error_of_a_failure_has_its_code(code: str) -> None:
    assert reported(TELNYX, signed(delivery("delivery_failed", code))) == ENDS[code]


def test_an_error_of_a_message_delivered_or_on_its_way_is_ignored() -> None:
    assert reported(TELNYX, signed(delivery("delivered", "40002"))) == 13
    assert reported(TELNYX, signed(delivery("sent", "40002"))) is None


@pytest.mark.parametrize("age", [-301, 301])
def test_a_receipt_signed_more_than_five_minutes_off_is_refused(age: int) -> None:
    with pytest.raises(BadSignature):
        the_report(TELNYX, signed(delivery("delivered"), at=NOW - age))
    assert reported(TELNYX, signed(delivery("delivered"), at=NOW - age // 2)) == 13


def test_a_message_from_a_handset_is_read() -> None:
    payload = {
        "id": "84cca175-9755-4859-b67f-4730d7f58aa3",
        "direction": "inbound",
        "from": {"phone_number": "+254701234567"},
        "to": [{"phone_number": "+17735550002", "status": "webhook_delivered"}],
        "text": "Hello from a handset",
        "received_at": "2026-03-01T12:00:00.000+00:00",
        "errors": [],
    }
    event = {"data": {"event_type": "message.received", "id": "e", "payload": payload}}
    assert inbound(TELNYX, signed(json.dumps(event).encode())) == Inbound(
        "+254701234567",
        "+17735550002",
        "Hello from a handset",
        "84cca175-9755-4859-b67f-4730d7f58aa3",
        datetime(2026, 3, 1, 12, tzinfo=UTC),
    )
