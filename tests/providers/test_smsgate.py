"""A phone behind an SMSGate server, by the public documents of SMSGate and those of our own dialect."""

from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from android_sms_gateway.domain import Message

from dispatcher.domain.delivery.provider import Accepted, Deferred, Rejected, Unknown
from dispatcher.domain.errors import Misconfigured
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from tests.providers.cases.smsgate import SMSGATE, state
from tests.providers.conformance import CREDENTIAL, a_message
from tests.providers.conversation import talking
from tests.providers.peer import http_reply

TALK = talking(SMSGATE)
PENDING = http_reply(202, state("Pending", ref="m-1"))
FAILED = Status.FAILED


def test_a_message_is_an_object_posted_to_the_messages() -> None:
    outcome, got = TALK.send(PENDING)
    assert outcome == Accepted(("m-1",))
    assert got.head.startswith("POST /3rdparty/v1/messages HTTP/1.1\r\n")
    assert "Content-Type: application/json" in got.head
    assert got.document == {
        "id": "m-1",
        "phoneNumbers": ["+254701234567"],
        "textMessage": {"text": "hello"},
        "withDeliveryReport": True,
        "priority": 0,
        "validUntil": "2026-03-01T00:00:00.000+00:00",
    }


def test_a_short_code_is_sent_without_validation_and_a_number_with_it() -> None:
    _, got = TALK.send(PENDING, replace(a_message(), to="*7701012345678"))
    assert got.head.startswith("POST /3rdparty/v1/messages?skipPhoneValidation=true HTTP/1.1\r\n")
    assert got.document["phoneNumbers"] == ["*7701012345678"]


def test_the_device_and_its_sim_are_those_of_the_options() -> None:
    _, got = talking(SMSGATE, device_id="PyDmBQZZXYmyxMwED8Fzy", sim_number=2).send(PENDING)
    assert (got.document["deviceId"], got.document["simNumber"]) == ("PyDmBQZZXYmyxMwED8Fzy", 2)


@pytest.mark.parametrize(("tier", "priority"), [(Tier.CRITICAL, 100), (Tier.STANDARD, 0), (Tier.BULK, -128)])
def test_the_tier_is_a_priority_and_critical_is_above_the_phones_limits(tier: Tier, priority: int) -> None:
    _, got = TALK.send(PENDING, replace(a_message(), tier=tier))
    assert got.document["priority"] == priority


def test_the_window_ends_at_the_same_moment_in_every_time_zone() -> None:
    local = datetime(2026, 3, 1, 3, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=3)))
    _, got = TALK.send(PENDING, replace(a_message(), not_after=local))
    assert got.document["validUntil"] == "2026-03-01T00:00:00.123+00:00"


def test_the_servers_own_client_would_write_the_same_fields() -> None:
    _, got = talking(SMSGATE, device_id="PyDmBQZZXYmyxMwED8Fzy", sim_number=2).send(PENDING)
    theirs = Message(
        phone_numbers=["+254701234567"],
        text_message={"text": "hello"},
        id="m-1",
        device_id="PyDmBQZZXYmyxMwED8Fzy",
        sim_number=2,
        with_delivery_report=True,
        valid_until=datetime(2026, 3, 1, tzinfo=UTC),
    )
    assert set(got.document) <= set(theirs.asdict())


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({}, f"phone:{CREDENTIAL}"),
        ({"username": None, "password": None, "token": "a.b.c"}, "Bearer a.b.c"),
    ],
)
def test_the_credentials_are_in_a_header(options: dict[str, object], header: str) -> None:
    _, got = talking(SMSGATE, **options).send(PENDING)
    (line,) = (line for line in got.head.split("\r\n") if line.startswith("Authorization: "))
    kind, shown = line.removeprefix("Authorization: ").split(" ")
    assert header in (b64decode(shown + "==").decode(errors="replace"), f"{kind} {shown}")


def test_a_message_that_the_server_already_has_is_accepted_by_our_reference() -> None:
    taken = http_reply(409, {"message": "message with the same ID already exists"})
    assert TALK.send(taken)[0] == Accepted(("m-1",))


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (http_reply(200, state("Pending")), Accepted(("p-1",))),
        (http_reply(201, {"id": "p-1"}), Accepted(("p-1",))),
        (http_reply(200, b"<html>"), Unknown("HTTP 200, but no id")),
        (
            http_reply(400, {"message": "invalid phone number"}),
            Rejected(Status.INVALID_NUMBER, "HTTP 400: invalid phone number"),
        ),
        (
            http_reply(400, {"message": "failed to use phone in row 1: not mobile phone number"}),
            Rejected(Status.INVALID_NUMBER, "HTTP 400: not mobile phone number"),
        ),
        (
            http_reply(400, {"message": "failed to select device: record not found"}),
            Deferred("HTTP 400: failed to select device"),
        ),
        (
            http_reply(400, {"message": "failed to validate: Key: 'Message.+254701234567'"}),
            Rejected(FAILED, "HTTP 400"),
        ),
        (http_reply(400), Rejected(FAILED, "HTTP 400")),
        (http_reply(401, {"message": "Unauthorized"}), Deferred("HTTP 401", of_account=True)),
        (http_reply(402, {"message": "not enough credits"}), Deferred("HTTP 402", of_account=True)),
        (
            http_reply(403, {"message": "scope required: messages:send"}),
            Deferred("HTTP 403", of_account=True),
        ),
        (http_reply(404), Deferred("HTTP 404: there is no such API at this url")),
        (http_reply(413), Rejected(FAILED, "HTTP 413")),
        (http_reply(429, Retry_After="3"), Deferred("HTTP 429", timedelta(seconds=3))),
        (http_reply(500, {"message": "Internal server error"}), Unknown("HTTP 500")),
        (http_reply(503, {"message": "queue limits exceeded"}), Deferred("HTTP 503")),
    ],
)
def test_each_answer_is_accepted_final_later_or_unknown(reply: bytes, outcome: object) -> None:
    assert TALK.send(reply)[0] == outcome


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"password": None}, "username and password belong together"),
        ({"username": None, "password": None}, "set username and password, or token"),
        ({"token": "a.b.c"}, "set username and password, or token"),
        ({"sim_number": 4, "number": "12"}, "sim_number: .*; number: "),
        ({"device_id": "x" * 22}, "device_id"),
    ],
)
def test_all_wrong_options_are_named_at_once_without_secrets(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as refused:
        talking(SMSGATE, **wrong).open()
    assert CREDENTIAL not in str(refused.value)
