"""Vonage's SMS API, by its documents: SMS API, Delivery receipts, Inbound SMS and Signing messages."""

from base64 import b64decode
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dispatcher.domain.delivery.provider import Accepted, Deferred, Rejected, Unknown
from dispatcher.domain.errors import Misconfigured
from dispatcher.domain.messages.status import Status
from dispatcher.providers import vonage
from tests.providers.cases.vonage import VONAGE, form, part
from tests.providers.conformance import CREDENTIAL, a_message
from tests.providers.conversation import NOW, talking
from tests.providers.peer import http_reply

TALK = talking(VONAGE)
INVALID_NUMBER, BLOCKED, FAILED = Status.INVALID_NUMBER, Status.BLOCKED, Status.FAILED


def answer(*parts: dict[str, str], **headers: str) -> bytes:
    return http_reply(200, {"message-count": str(len(parts)), "messages": list(parts)}, **headers)


ACCEPTED = answer(part("0A0000000123ABCD1"))


def test_a_message_is_a_form_posted_to_the_sms_api() -> None:
    outcome, got = TALK.send(ACCEPTED, now=lambda: NOW)
    assert outcome == Accepted(("0A0000000123ABCD1",))
    assert got.head.startswith("POST /sms/json HTTP/1.1\r\n")
    assert "Content-Type: application/x-www-form-urlencoded" in got.head
    assert form(got) == {
        "from": "ACME",
        "to": "254701234567",
        "text": "hello",
        "type": "text",
        "ttl": "43200000",
        "client-ref": "m-1",
        "status-report-req": "1",
        "callback": "https://sms.our.example/receipts/vonage",
    }


def test_the_key_and_secret_are_in_a_header_alone() -> None:
    _, got = TALK.send(ACCEPTED)
    (line,) = (line for line in got.head.split("\r\n") if line.startswith("Authorization: Basic "))
    assert b64decode(line.split(" ")[2]).decode() == f"abcd1234:{CREDENTIAL}"
    assert CREDENTIAL.encode() not in got.body


@pytest.mark.parametrize(
    ("text", "kind"),
    [("Hello @ {5} €", "text"), ("Straße à Genève", "text"), ("早安", "unicode"), ("ł", "unicode")],
)
def test_a_text_beyond_gsm_7_is_sent_as_unicode(text: str, kind: str) -> None:
    _, got = TALK.send(ACCEPTED, a_message(text=text))
    assert (form(got)["text"], form(got)["type"]) == (text, kind)


@pytest.mark.parametrize(
    ("left", "milliseconds"),
    [
        (timedelta(days=30), "604800000"),
        (timedelta(minutes=10, microseconds=1500), "600001"),
        (timedelta(seconds=3), "20000"),
    ],
)
def test_the_ttl_ends_with_the_window_and_is_in_vonages_bounds(left: timedelta, milliseconds: str) -> None:
    _, got = TALK.send(ACCEPTED, replace(a_message(), not_after=NOW + left), now=lambda: NOW)
    assert form(got)["ttl"] == milliseconds


def test_a_number_as_sender_has_no_plus_and_a_message_without_one_takes_that_of_the_options() -> None:
    assert form(TALK.send(ACCEPTED, replace(a_message(), sender="+12025550100"))[1])["from"] == "12025550100"
    nameless = replace(a_message(), sender=None)
    assert form(talking(VONAGE, sender="SHOP").send(ACCEPTED, nameless)[1])["from"] == "SHOP"
    assert "from" not in form(TALK.send(ACCEPTED, nameless)[1])


def test_each_part_has_a_reference() -> None:
    outcome, _ = TALK.send(answer(part("p-1"), part("p-2"), part("p-3")))
    assert outcome == Accepted(("p-1", "p-2", "p-3"))


def test_a_message_with_only_some_parts_accepted_is_unknown() -> None:
    outcome, _ = TALK.send(answer(part("p-1"), part("", "1")))
    assert outcome == Unknown("1 of 2 parts were refused: status 1")


LATER = None
DOCUMENTED: dict[int, Status | None] = {
    1: LATER,  # throttled
    2: FAILED,  # missing parameters
    3: FAILED,  # invalid parameters
    4: LATER,  # invalid credentials
    6: FAILED,  # invalid message
    7: BLOCKED,  # number barred
    8: LATER,  # partner account barred
    9: LATER,  # partner quota violation
    10: LATER,  # too many existing binds
    11: LATER,  # account not enabled for HTTP
    12: FAILED,  # message too long
    13: LATER,  # communication failed
    14: LATER,  # invalid signature
    15: FAILED,  # invalid sender address
    16: FAILED,  # invalid TTL
    19: LATER,  # facility not allowed
    20: FAILED,  # invalid message class
    22: FAILED,  # invalid network code
    23: LATER,  # invalid callback URL
    29: FAILED,  # non-whitelisted destination
    32: LATER,  # signature and API secret disallowed
    33: INVALID_NUMBER,  # number de-activated
    34: INVALID_NUMBER,  # invalid or missing msisdn
}


OF_ACCOUNT = {4, 8, 9, 11, 14, 19, 32}


@pytest.mark.parametrize("status", range(1, 100))
def test_each_status_of_an_answer_is_final_or_later_or_unknown(status: int) -> None:
    refused = part("", str(status)) | {"error-text": "254701234567 is bad"}
    outcome, _ = TALK.send(answer(refused))
    if status not in DOCUMENTED:  # 5, internal error, too
        assert outcome == Unknown(f"status {status}")
    elif (code := DOCUMENTED[status]) is None:
        assert outcome == Deferred(f"status {status}", of_account=status in OF_ACCOUNT)
    else:
        assert outcome == Rejected(code, f"status {status}")


def test_every_status_of_the_table_is_listed_here() -> None:
    assert {int(status) for status in vonage.SUBMIT_STATUSES} == set(DOCUMENTED)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (http_reply(401), Deferred("HTTP 401", of_account=True)),
        (http_reply(429, Retry_After="3"), Deferred("HTTP 429", timedelta(seconds=3))),
        (http_reply(404), Rejected(FAILED, "HTTP 404")),
        (http_reply(502), Unknown("HTTP 502")),
        (http_reply(200, b"<html>"), Unknown("HTTP 200, but no messages")),
        (http_reply(200, {"messages": []}), Unknown("HTTP 200, but no messages")),
        (http_reply(200, {"messages": ["p-1"]}), Unknown("HTTP 200, but no messages")),
    ],
)
def test_without_a_part_with_a_status_the_http_status_decides(reply: bytes, outcome: object) -> None:
    assert TALK.send(reply)[0] == outcome


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"api_key": None, "api_secret": None}, "api_key: .*; api_secret: "),
        ({"signature_method": "md5hash"}, "signature_method"),
        ({"receipt_url": f"https://our.example/{'r' * 100}"}, "receipt_url"),
        ({"sender": ""}, "sender"),
        ({"url": "rest.nexmo.com"}, "url: this is not an absolute http or https URL"),
    ],
)
def test_all_wrong_options_are_named_at_once_without_secrets(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as refused:
        talking(VONAGE, **wrong).open()
    assert CREDENTIAL not in str(refused.value)
