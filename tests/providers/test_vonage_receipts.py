"""Vonage's reports, by its documents: Delivery receipts, Inbound SMS and Signing messages."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from dispatcher.domain.delivery.inbound_part import InboundPart
from dispatcher.domain.delivery.provider import Inbound, ReceiptReport, ReceiptRequest
from dispatcher.domain.errors import BadReceipt, BadSignature
from dispatcher.domain.messages.status import Status
from dispatcher.providers import vonage
from tests.providers.cases.vonage import VONAGE, delivery, posted, with_sig
from tests.providers.conversation import talking

TALK = talking(VONAGE)
INVALID_NUMBER, BLOCKED, UNREACHABLE = Status.INVALID_NUMBER, Status.BLOCKED, Status.UNREACHABLE
FAILED, GAVE_UP = Status.FAILED, Status.GAVE_UP

FAILURES = {
    0: FAILED,
    1: FAILED,  # unknown
    2: UNREACHABLE,  # absent subscriber, temporary
    3: INVALID_NUMBER,  # absent subscriber, permanent
    4: BLOCKED,  # call barred by user
    5: FAILED,  # portability error
    6: BLOCKED,  # anti-spam rejection
    7: UNREACHABLE,  # handset busy
    8: UNREACHABLE,  # network error
    9: BLOCKED,  # illegal number: the user wants nothing from this service
    10: FAILED,  # illegal message
    11: FAILED,  # unroutable
    12: UNREACHABLE,  # destination unreachable
    13: BLOCKED,  # subscriber age restriction
    14: BLOCKED,  # number blocked by carrier
    15: FAILED,  # prepaid, insufficient funds
    16: GAVE_UP,  # gateway quota exceeded
    50: BLOCKED,  # entity filter
    51: BLOCKED,  # header filter
    52: BLOCKED,  # content filter
    53: BLOCKED,  # consent filter
    54: BLOCKED,  # regulation error
    99: FAILED,  # general error
}


@pytest.mark.parametrize("word", ["failed", "rejected", "undeliverable", "deleted"])
@pytest.mark.parametrize("code", range(100))
def test_each_error_code_of_a_failed_message_is_the_end_it_names(word: str, code: int) -> None:
    (reported,) = TALK.read(posted(with_sig(delivery(word, err_code=str(code)))))
    expected = FAILURES.get(code, FAILED)
    assert reported == ReceiptReport("p-1", "m-1", expected, f"{word}: err-code {code}", opted_out=code == 9)


def test_every_error_code_of_the_table_is_listed_here() -> None:
    assert {int(code) for code in vonage.FAILURES} == set(FAILURES)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("delivered", Status.RECEIVED),
        ("accepted", None),
        ("buffered", None),
        ("unknown", None),
        ("expired", Status.TOO_LATE),
        ("neverheard", None),
    ],
)
def test_each_word_of_a_receipt_has_its_end_or_none_whatever_its_error_code(
    word: str, status: Status | None
) -> None:
    (reported,) = TALK.read(posted(with_sig(delivery(word, err_code="2"))))
    assert reported == ReceiptReport("p-1", "m-1", status, f"{word}: err-code 2")


def by_get(fields: dict[str, str]) -> ReceiptRequest:
    return ReceiptRequest("GET", {}, fields, b"", f"https://our.example/r?{urlencode(fields)}")


def as_json(fields: dict[str, str]) -> ReceiptRequest:
    headers = {"content-type": "application/json; charset=utf-8"}
    return ReceiptRequest("POST", headers, {}, json.dumps(fields).encode())


@pytest.mark.parametrize("way", [by_get, as_json, posted], ids=["query", "json", "form"])
@pytest.mark.parametrize("method", ["md5", "sha1", "sha256", "sha512"])
def test_a_receipt_comes_in_three_ways_signed_by_any_hmac(way: Any, method: str) -> None:
    talk = talking(VONAGE, signature_method=method)
    fields = delivery("delivered", to="A&B=C")
    assert talk.read(way(with_sig(fields, method=method)))
    upper = with_sig(fields, method=method)
    assert talk.read(way({**upper, "sig": upper["sig"].upper()}))
    with pytest.raises(BadSignature):
        talk.read(way({**with_sig(fields, method=method), "status": "failed"}))
    with pytest.raises(BadSignature):
        talk.read(way(fields))


def test_the_signature_is_that_of_vonages_own_library() -> None:
    # The example of http_client/tests/test_auth.py of github.com/Vonage/vonage-python-sdk.
    fields = {
        "param1": "value1",
        "param2": "value2",
        "timestamp": "1234567890",
        "sig": "280c4320703dbc98bfa22db676655ed2acfbfe8792b062ff7622e67f1183c287",
    }
    talk = talking(VONAGE, signature_secret="signature_secret")
    with pytest.raises(BadReceipt, match="no messageId") as read:
        talk.read(posted(fields))
    assert not isinstance(read.value, BadSignature)
    with pytest.raises(BadSignature):
        talk.read(posted({**fields, "param1": "value3"}))


def test_a_signature_with_half_a_surrogate_pair_is_refused() -> None:
    body = b'{"messageId": "p-1", "status": "delivered", "\\ud83d": "\\ud83d"}'
    with pytest.raises(BadSignature):
        TALK.read(ReceiptRequest("POST", {"content-type": "application/json"}, {}, body))


INBOUND = {
    "api-key": "abcd1234",
    "msisdn": "254701234567",
    "to": "12025550100",
    "messageId": "0A0000000123ABCD1",
    "text": "Yes, & thanks = 🎉",
    "type": "unicode",
    "keyword": "YES,",
    "message-timestamp": "2026-03-01 12:10:29",
    "timestamp": "1772367029",
    "nonce": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
}


@pytest.mark.parametrize("way", [by_get, as_json, posted], ids=["query", "json", "form"])
def test_a_message_of_a_handset_is_reported(way: Any) -> None:
    assert TALK.read(way(with_sig(INBOUND))) == [
        Inbound(
            "+254701234567",
            "+12025550100",
            "Yes, & thanks = 🎉",
            ref="0A0000000123ABCD1",
            sent_at=datetime(2026, 3, 1, 12, 10, 29, tzinfo=UTC),
        )
    ]


def test_a_short_code_is_unchanged_and_an_invalid_time_is_left_out() -> None:
    (reported,) = TALK.read(posted(with_sig({**INBOUND, "to": "40404", "message-timestamp": "soon"})))
    assert isinstance(reported, Inbound)
    assert (reported.recipient, reported.sent_at) == ("40404", None)


CONCAT = {"concat": "true", "concat-ref": "1", "concat-total": "3", "concat-part": "2"}


@pytest.mark.parametrize("way", [by_get, as_json, posted], ids=["query", "json", "form"])
def test_a_part_of_a_long_message_is_reported_as_such(way: Any) -> None:
    (reported,) = TALK.read(way(with_sig(INBOUND | CONCAT)))
    assert reported == InboundPart.of_text(
        "+254701234567",
        "+12025550100",
        INBOUND["text"],
        reference="1",
        numbers=(3, 2),
        ref=INBOUND["messageId"],
        sent_at=datetime(2026, 3, 1, 12, 10, 29, tzinfo=UTC),
    )


def test_half_of_a_surrogate_pair_at_the_end_of_a_part_stays_for_the_other_half() -> None:
    fields = json.dumps(with_sig(INBOUND | CONCAT | {"text": "a?"}))  # as Postgres could store it
    body = fields.replace("a?", "a\\ud83c").encode()
    (reported,) = TALK.read(ReceiptRequest("POST", {"content-type": "application/json"}, {}, body))
    assert isinstance(reported, InboundPart)
    assert reported.octets == b"\0a\xd8\x3c"


WRONG = [{"concat-part": "4"}, {"concat-total": "1"}, {"concat-total": "x"}, {"concat-ref": ""}]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_part_whose_numbers_are_none_of_a_part_is_a_message_of_its_own(wrong: dict[str, str]) -> None:
    (reported,) = TALK.read(posted(with_sig(INBOUND | CONCAT | wrong)))
    assert isinstance(reported, Inbound)
    assert reported.text == INBOUND["text"]


@pytest.mark.parametrize("body", [b"[]", b"{}", b"null", b"[" * 100_000, b"{"])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(BadReceipt, match="not a JSON object"):
        TALK.read(ReceiptRequest("POST", {"content-type": "application/json"}, {}, body))
