"""Reports of a phone and its server, by the public documents of SMSGate and those of our own dialect."""

import json
from dataclasses import replace

import pytest
from android_sms_gateway.webhooks import SmsReceivedPayload

from dispatcher.api.dialects.smsgate.mapping import WORDS, GatewayState, error_of
from dispatcher.domain.delivery.provider import Inbound, ReceiptReport
from dispatcher.domain.errors import BadReceipt, BadSignature, Unavailable
from dispatcher.domain.messages.status import Status
from dispatcher.providers import smsgate
from tests.providers.cases.smsgate import SMSGATE, event, signed, state
from tests.providers.conversation import talking
from tests.providers.peer import closed_port, http_reply
from tests.providers.transports import run

TALK = talking(SMSGATE)
FAILED = Status.FAILED

STATES = {
    "Pending": None,
    "Processed": None,
    "Cancelling": None,
    "Sent": None,
    "Delivered": Status.RECEIVED,
    "Failed": FAILED,
    "Cancelled": FAILED,
}


def test_every_state_of_the_server_is_listed() -> None:
    assert set(smsgate.STATES) == set(STATES) == {state.value for state in GatewayState}


@pytest.mark.parametrize(("word", "status"), STATES.items())
def test_a_message_can_be_polled_in_each_state(word: str, status: Status | None) -> None:
    reports, (got,) = TALK.poll({"/m-1": http_reply(200, state(word, ref="m-1"))}, ["m-1"])
    assert reports == [ReceiptReport("m-1", "m-1", status, word)]
    assert got.head.startswith("GET /3rdparty/v1/messages/m-1 HTTP/1.1\r\n")
    assert "Authorization: Basic " in got.head


def test_a_poll_leaves_out_messages_that_the_server_does_not_know() -> None:
    answers = {
        "/m-1": http_reply(404, {"message": "message not found"}),
        "/m-2": http_reply(200, state("Delivered", ref="m-2")),
        "/m-3": http_reply(500),
    }
    reports, _ = TALK.poll(answers, ["m-1", "m-2", "m-3"])
    assert reports == [ReceiptReport("m-2", "m-2", Status.RECEIVED, "Delivered")]
    assert TALK.poll({"/m-1": answers["/m-1"]}, ["m-1"])[0] == []


def test_a_server_that_cannot_be_polled_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="HTTP 401"):
        TALK.poll({"/m-1": http_reply(401), "/m-2": http_reply(401)}, ["m-1", "m-2"])

    async def work(port: int) -> None:
        provider = TALK.open(port)
        assert isinstance(provider, smsgate.SmsGate)
        try:
            with pytest.raises(Unavailable, match="no connection"):
                await provider.poll(["m-1"])
        finally:
            await provider.close()

    with closed_port() as port:
        run(work(port))


ERRORS = {
    "TTL expired": Status.TOO_LATE,
    "RESULT_ERROR_GENERIC_FAILURE": FAILED,
    "RESULT_ERROR_LIMIT_EXCEEDED": FAILED,
    "RESULT_RIL_MODEM_ERR": FAILED,
    "RESULT_NO_DEFAULT_SMS_APP": FAILED,
    "Can't send message: No SIMs found": FAILED,
}


@pytest.mark.parametrize(("error", "status"), ERRORS.items())
def test_each_error_of_a_phone_is_the_end_it_names(error: str, status: Status) -> None:
    reports, _ = TALK.poll({"/m-1": http_reply(200, state("Failed", error, "m-1"))}, ["m-1"])
    assert reports == [ReceiptReport("m-1", "m-1", status, f"Failed: {error}")]
    failed = event("sms:failed", messageId="m-1", reason=error, failedAt="2026-03-01T12:10:29.000+03:00")
    assert TALK.read(failed) == [ReceiptReport("m-1", "m-1", status, f"sms:failed: {error}")]


@pytest.mark.parametrize("status", [status for status in Status if status.is_final])
def test_this_product_as_the_server_keeps_its_status_codes(status: Status) -> None:
    """Its report for each of its codes, with the reason of its own provider."""
    error = error_of(status, "+code 17")
    reply = http_reply(200, state(WORDS[status].state, error, "m-1"))
    ((reported,), _) = TALK.poll({"/m-1": reply}, ["m-1"])
    same = {*(code for code in Status if code.is_missed), Status.RECEIVED}
    ours = {Status.OPTED_OUT: Status.BLOCKED, Status.EXPIRED: Status.TOO_LATE}
    assert reported.status is (status if status in same else ours.get(status, FAILED))
    assert reported.opted_out is (status is Status.OPTED_OUT)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("sms:sent", None),
        ("sms:delivered", Status.RECEIVED),
        ("sms:failed", FAILED),
        ("sms:cancelled", FAILED),
    ],
)
def test_each_event_of_a_message_has_its_end_or_none(name: str, status: Status | None) -> None:
    assert TALK.read(event(name, messageId="m-1")) == [ReceiptReport("m-1", "m-1", status, name)]


@pytest.mark.parametrize(
    "name",
    [
        "system:ping",
        "app:started",
        "sms:batch:received",
    ],
)
def test_events_of_the_phone_itself_are_ignored(name: str) -> None:
    assert TALK.read(event(name, messageId="abc123", health={})) == []


RECEIVED = {
    "messageId": "abc123",
    "message": "Android is always a sweet treat!",
    "sender": "+16505551212",
    "phoneNumber": "+16505551212",
    "recipient": "+12025550100",
    "simNumber": 1,
    "receivedAt": "2024-06-22T15:46:11.000+07:00",
}


def test_a_message_that_the_phone_received_is_reported_with_the_events_id() -> None:
    (reported,) = TALK.read(event("sms:received", **RECEIVED))
    theirs = SmsReceivedPayload.from_dict(RECEIVED)
    assert reported == Inbound(
        theirs.sender,
        str(theirs.recipient),
        theirs.message,
        ref="Ey6ECgOkVVFjz3CL48B8C",
        sent_at=theirs.received_at,
    )


def test_an_older_phone_sends_less_and_the_options_have_its_number() -> None:
    older: dict[str, object] = {**RECEIVED, "recipient": None, "receivedAt": "2024-06-22T15:46:11"}
    del older["sender"]
    (reported,) = talking(SMSGATE, number="+12025550199").read(event("sms:received", **older))
    assert isinstance(reported, Inbound)
    assert (reported.sender, reported.recipient, reported.sent_at) == ("+16505551212", "+12025550199", None)


def test_an_event_counts_only_with_the_phones_signature_over_body_and_time() -> None:
    real = event("sms:delivered", messageId="m-1")
    assert TALK.read(
        replace(real, headers={**real.headers, "x-signature": real.headers["x-signature"].upper()})
    )
    for headers in ({}, {**real.headers, "x-timestamp": "1772367030"}, {"x-timestamp": "1772367029"}):
        with pytest.raises(BadSignature):
            TALK.read(replace(real, headers=headers))
    with pytest.raises(BadReceipt, match="signing_key"):
        talking(SMSGATE, signing_key=None).read(real)


@pytest.mark.parametrize(
    "document",
    [{}, {"event": "sms:sent"}, {"event": "sms:sent", "payload": {}}, {"payload": {"messageId": "m"}}],
)
def test_an_event_without_its_message_is_refused(document: object) -> None:
    with pytest.raises(BadReceipt):
        TALK.read(signed(json.dumps(document).encode()))
