"""The meaning of Twilio's codes and statuses, by its Error and Warning Dictionary and Messages resource."""

from datetime import timedelta

import pytest

from dispatcher.domain.delivery.provider import Deferred, ReceiptReport, Rejected, Unknown
from dispatcher.domain.messages.status import Status
from dispatcher.providers import twilio
from tests.providers.cases.twilio import TWILIO, receipt
from tests.providers.conversation import talking
from tests.providers.peer import http_reply

TALK = talking(TWILIO)


def refused(status: int, code: object) -> bytes:
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    said = "The 'To' number +254701234567 is not a valid phone number."
    return http_reply(status, {"code": code, "message": said, "more_info": more_info, "status": status})


INVALID_NUMBER, BLOCKED, TOO_LATE = Status.INVALID_NUMBER, Status.BLOCKED, Status.TOO_LATE
UNREACHABLE, FAILED, LATER = Status.UNREACHABLE, Status.FAILED, Status.GAVE_UP

DOCUMENTED: dict[int, Status] = {
    10001: LATER,  # account is not active
    14107: LATER,  # message rate limit exceeded
    20003: LATER,  # authenticate
    20404: LATER,  # the account is not found
    20429: LATER,  # too many requests
    21211: INVALID_NUMBER,  # invalid 'To' phone number
    21212: FAILED,  # invalid 'From' number
    21217: INVALID_NUMBER,  # phone number does not appear to be valid
    21264: FAILED,  # 'From' phone number not verified
    21265: INVALID_NUMBER,  # 'To' number cannot be a short code
    21266: FAILED,  # 'To' and 'From' numbers cannot be the same
    21267: FAILED,  # alphanumeric sender on a trial account
    21268: INVALID_NUMBER,  # premium rate or information service number
    21408: FAILED,  # permission to send to the region not enabled
    21601: FAILED,  # not an SMS-capable inbound number
    21602: FAILED,  # message body is required
    21603: FAILED,  # a 'From' or 'MessagingServiceSid' is required
    21604: FAILED,  # 'To' is required
    21605: FAILED,  # maximum body length (old endpoint)
    21606: FAILED,  # 'From' is not message-capable for this account
    21607: FAILED,  # 'From' must be the sandbox number on a trial
    21608: FAILED,  # 'To' not yet verified on a trial
    21609: LATER,  # invalid 'StatusCallback'
    21610: BLOCKED,  # unsubscribed recipient
    21611: LATER,  # this 'From' has too many queued messages
    21612: FAILED,  # this 'To' and 'From' cannot be combined
    21614: INVALID_NUMBER,  # 'To' is not a mobile number
    21616: FAILED,  # 'From' matches several numbers
    21617: FAILED,  # body exceeds 1600 characters
    21618: FAILED,  # body cannot be sent
    21619: FAILED,  # a body is required
    21624: FAILED,  # invalid validity period
    21626: LATER,  # invalid 'StatusCallbackEvent'
    21635: INVALID_NUMBER,  # 'To' is a landline
    21657: FAILED,  # sender ID is invalid
    21658: FAILED,  # parameter exceeds its limit
    21659: FAILED,  # 'From' is not a Twilio number
    21660: FAILED,  # 'From' is not of this account
    21661: FAILED,  # 'From' is not SMS-capable
    21662: FAILED,  # 'From' and 'To' not in the Ireland region
    21663: FAILED,  # routing of 'From' is incorrect
    21668: FAILED,  # number type not supported in Ireland
    21701: LATER,  # the Messaging Service does not exist
    21702: LATER,  # the Messaging Service is not available
    21703: LATER,  # the Messaging Service has no number available
    21704: LATER,  # the Messaging Service has no numbers
    21705: LATER,  # the Messaging Service is invalid
    21708: FAILED,  # alpha sender missing
    21709: FAILED,  # alpha sender not authorized
    21711: FAILED,  # sender is not of this Messaging Service
    21712: FAILED,  # sender is of another Messaging Service
    21715: FAILED,  # number lacks the capabilities
    21730: LATER,  # system under maintenance
    30001: LATER,  # queue overflow
    30002: LATER,  # account suspended
    30003: UNREACHABLE,  # unreachable destination handset
    30004: BLOCKED,  # message blocked
    30005: INVALID_NUMBER,  # unknown destination handset
    30006: INVALID_NUMBER,  # landline or unreachable carrier
    30007: BLOCKED,  # message filtered
    30008: FAILED,  # unknown error
    30009: FAILED,  # missing inbound segment
    30010: FAILED,  # price exceeds max price
    30011: FAILED,  # MMS not supported
    30012: FAILED,  # TTL is too small
    30013: FAILED,  # TTL is too big
    30014: INVALID_NUMBER,  # 'To' attributes are invalid
    30015: FAILED,  # channel type not supported
    30016: FAILED,  # channel types incompatible
    30017: LATER,  # carrier network congestion
    30018: FAILED,  # sender ID pre-registration required
    30019: FAILED,  # content exceeds the carrier's limit
    30020: FAILED,  # failure with message scheduling
    30021: FAILED,  # failure with messaging service orchestrator
    30022: LATER,  # 10DLC rate limits exceeded
    30023: LATER,  # 10DLC daily message cap
    30024: FAILED,  # numeric sender not provisioned
    30027: LATER,  # 10DLC T-Mobile daily limit
    30028: FAILED,  # invalid API version
    30032: FAILED,  # toll-free number not verified
    30033: LATER,  # campaign suspended
    30034: FAILED,  # unregistered number
    30035: FAILED,  # number still being configured
    30036: TOO_LATE,  # validity period expired
    30037: LATER,  # outbound messaging disabled
    30038: BLOCKED,  # OTP message body filtered
    30039: BLOCKED,  # filtered to prevent message loops
    30040: FAILED,  # sender ID pre-registration required
    30041: FAILED,  # sender restricted or unregistered
    30042: FAILED,  # generic alphanumeric sender
    30043: FAILED,  # international SMS via domestic gateway
    30044: FAILED,  # trial message length exceeded
    30045: FAILED,  # validity period out of bounds
    30046: FAILED,  # delivery not confirmed
    30400: FAILED,  # parameters are not valid
    30410: FAILED,  # provider timeout
    30450: BLOCKED,  # message delivery blocked
    30453: FAILED,  # message couldn't be delivered
    30454: LATER,  # account exceeded the messages limit
    30485: FAILED,  # message couldn't be delivered
    30500: FAILED,  # Twilio internal error
    63038: LATER,  # account exceeded the daily messages limit
}


def test_every_code_of_the_table_is_listed_here() -> None:
    assert {int(code) for code in twilio.ERROR_CODES} == set(DOCUMENTED)


@pytest.mark.parametrize(("code", "status"), DOCUMENTED.items())
def test_a_documented_code_in_an_answer_is_final_or_later(code: int, status: Status) -> None:
    outcome, _ = TALK.send(refused(400, code))
    if status is LATER:
        assert isinstance(outcome, Deferred)
    else:
        assert isinstance(outcome, Rejected)
        assert outcome.status is status
        assert outcome.opted_out is (code == 21610)
    assert str(code) in outcome.reason
    assert "254701234567" not in outcome.reason


@pytest.mark.parametrize(("code", "status"), DOCUMENTED.items())
def test_a_documented_code_in_a_receipt_is_the_end_it_names(code: int, status: Status) -> None:
    (reported,) = TALK.read(receipt("failed", ErrorCode=str(code)))
    assert isinstance(reported, ReceiptReport)
    assert reported.status is status
    assert reported.opted_out is (code == 21610)
    assert str(code) in reported.reason


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refused(400, 29999), Rejected(FAILED, "HTTP 400")),
        (refused(400, None), Rejected(FAILED, "HTTP 400")),
        (http_reply(401, {"code": 20009}), Deferred("HTTP 401", of_account=True)),
        (http_reply(429, b"slow down", Retry_After="3"), Deferred("HTTP 429", timedelta(seconds=3))),
        (http_reply(503), Deferred("HTTP 503")),
        (http_reply(500, {"code": 20500, "status": 500}), Unknown("HTTP 500")),
        (refused(500, 21610), Unknown("HTTP 500")),
        (http_reply(307, b"", Location="https://elsewhere.example"), Unknown("HTTP 307")),
        (refused(400, "9" * 5000), Rejected(FAILED, "HTTP 400")),
    ],
)
def test_without_a_known_code_the_http_status_decides(answer: bytes, outcome: object) -> None:
    assert TALK.send(answer)[0] == outcome


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *((word, None) for word in ("accepted", "scheduled", "queued", "sending", "sent")),
        ("partially_delivered", None),
        ("delivered", Status.RECEIVED),
        ("read", Status.RECEIVED),
        ("undelivered", FAILED),
        ("failed", FAILED),
        ("canceled", FAILED),
    ],
)
def test_each_status_of_a_message_has_its_end_or_none(word: str, status: Status | None) -> None:
    assert TALK.read(receipt(word)) == [ReceiptReport("p-1", "m-1", status, word)]
    assert word in twilio.MESSAGE_STATUSES


def test_an_unknown_code_is_kept_with_its_word() -> None:
    (reported,) = TALK.read(receipt("undelivered", ErrorCode="39999"))
    assert reported == ReceiptReport("p-1", "m-1", FAILED, "undelivered: 39999")
