"""Twilio, by its documents: the Messages resource, Security, and the Error and Warning Dictionary."""

from base64 import b64decode
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dispatcher.domain.delivery.provider import Accepted, Inbound, Unknown
from dispatcher.domain.errors import BadReceipt, BadSignature, Misconfigured
from dispatcher.domain.messages.status import Status
from tests.providers.cases.twilio import ACCOUNT, RECEIPTS, TWILIO, form, receipt, signed
from tests.providers.conformance import CREDENTIAL, a_message
from tests.providers.conversation import NOW, talking
from tests.providers.peer import http_reply

TALK = talking(TWILIO)
CREATED = http_reply(
    201,
    {
        "account_sid": ACCOUNT,
        "api_version": "2010-04-01",
        "body": "hello",
        "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "num_segments": "1",
        "sid": "SM00000000000000000000000000000000",
        "status": "queued",
        "to": "+254701234567",
    },
)


def test_a_message_is_a_form_posted_to_the_messages_of_the_account() -> None:
    outcome, got = TALK.send(CREATED, now=lambda: NOW)
    assert outcome == Accepted(("SM00000000000000000000000000000000",))
    assert got.head.startswith(f"POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json HTTP/1.1\r\n")
    assert "Content-Type: application/x-www-form-urlencoded" in got.head
    assert form(got) == {
        "To": "+254701234567",
        "From": "ACME",
        "Body": "hello",
        "ValidityPeriod": "36000",
        "StatusCallback": f"{RECEIPTS}?reference=m-1",
    }


def test_a_text_in_any_script_is_sent_unchanged() -> None:
    text = "Où & où = ça? 早安 🎉"
    _, got = TALK.send(CREATED, a_message(text=text))
    assert form(got)["Body"] == text


@pytest.mark.parametrize(
    ("left", "reported"),
    [
        (timedelta(hours=12), "36000"),
        (timedelta(minutes=10, milliseconds=900), "600"),
        (timedelta(milliseconds=400), "1"),
        (timedelta(seconds=-5), "1"),
    ],
)
def test_the_validity_ends_with_the_window_and_is_in_twilios_bounds(left: timedelta, reported: str) -> None:
    _, got = TALK.send(CREATED, replace(a_message(), not_after=NOW + left), now=lambda: NOW)
    assert form(got)["ValidityPeriod"] == reported


def test_a_messaging_service_replaces_a_sender_or_accompanies_it() -> None:
    service = f"MG{'1' * 32}"
    with_service = talking(TWILIO, messaging_service_sid=service)
    _, got = with_service.send(CREATED, replace(a_message(), sender=None))
    assert form(got)["MessagingServiceSid"] == service
    assert "From" not in form(got)
    assert form(with_service.send(CREATED)[1])["From"] == "ACME"


def test_no_receipts_are_asked_for_without_a_receipt_url() -> None:
    _, got = talking(TWILIO, receipt_url=None).send(CREATED)
    assert "StatusCallback" not in form(got)


def test_an_api_key_signs_in_before_the_token_of_the_account() -> None:
    # RFC 7617 over SK222...:another-secret, and over AC000...:a-very-secret-key
    by_token = TALK.send(CREATED)[1]
    by_key = talking(TWILIO, api_key=f"SK{'2' * 32}", api_secret="another-secret").send(CREATED)[1]
    assert authorization(by_token.head) == f"{ACCOUNT}:{CREDENTIAL}"
    assert authorization(by_key.head) == f"SK{'2' * 32}:another-secret"
    assert CREDENTIAL not in by_key.head


def authorization(head: str) -> str:
    (line,) = (line for line in head.split("\r\n") if line.lower().startswith("authorization: basic "))
    return b64decode(line.split(" ")[2]).decode()


def test_a_response_of_another_server_is_unknown() -> None:
    assert isinstance(TALK.send(http_reply(200, b"<html>Welcome to the hotel</html>"))[0], Unknown)
    assert isinstance(TALK.send(http_reply(201, {"status": "queued"}))[0], Unknown)


def test_the_signature_is_that_of_twilios_documents() -> None:
    # The example of www.twilio.com/docs/usage/security, of which the request is no receipt.
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    called = "https://mycompany.com/myapp.php"
    request = replace(
        signed(fields, url=f"{called}?foo=1&bar=2"),
        headers={"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
    )
    example = talking(TWILIO, auth_token="12345", receipt_url=called)
    with pytest.raises(BadReceipt, match="MessageSid") as read:
        example.read(request)
    assert not isinstance(read.value, BadSignature)
    with pytest.raises(BadSignature):
        example.read(replace(request, url=f"{called}?foo=1&bar=3"))


def test_a_receipt_is_signed_for_our_public_url_even_behind_a_proxy() -> None:
    fields = {"MessageSid": "p-1", "MessageStatus": "sent"}
    inside = "http://10.0.0.7:8080/receipts/twilio?reference=m-1"
    assert TALK.read(signed(fields, url=inside, called=f"{RECEIPTS}?reference=m-1"))
    with pytest.raises(BadSignature):
        TALK.read(signed(fields, url=inside))


@pytest.mark.parametrize("called", ["https://sms.our.example:443/receipts/twilio", RECEIPTS])
def test_twilio_may_sign_with_the_port_or_without(called: str) -> None:
    assert TALK.read(signed({"MessageSid": "p-1", "MessageStatus": "sent"}, called=called))
    with_port = talking(TWILIO, receipt_url="https://sms.our.example:443/receipts/twilio")
    assert with_port.read(signed({"MessageSid": "p-1", "MessageStatus": "sent"}, called=called))


def test_another_message_cannot_be_named_in_a_signed_receipt() -> None:
    real = receipt("delivered")
    with pytest.raises(BadSignature):
        TALK.read(replace(real, url=f"{RECEIPTS}?reference=m-2"))
    with pytest.raises(BadSignature):
        TALK.read(replace(real, headers={}))


@pytest.mark.parametrize("missing", [{"receipt_url": None}, {"receipt_url": None, "auth_token": None}])
def test_without_a_way_to_verify_every_receipt_is_refused(missing: dict[str, object]) -> None:
    by_key: dict[str, object] = {"api_key": f"SK{'2' * 32}", "api_secret": "another-secret"}
    with pytest.raises(BadReceipt, match="receipt_url and auth_token"):
        talking(TWILIO, **by_key, **missing).read(receipt("delivered"))


INBOUND = {
    "MessageSid": "SM11111111111111111111111111111111",
    "SmsSid": "SM11111111111111111111111111111111",
    "AccountSid": ACCOUNT,
    "From": "+254701234567",
    "To": "+12025550100",
    "Body": "Yes, & thanks = 🎉",
    "NumMedia": "0",
    "NumSegments": "1",
    "SmsStatus": "received",
    "ApiVersion": "2010-04-01",
}


def test_a_message_of_a_handset_is_reported() -> None:
    expected = Inbound("+254701234567", "+12025550100", "Yes, & thanks = 🎉", ref=INBOUND["MessageSid"])
    assert TALK.read(signed(INBOUND)) == [expected]


@pytest.mark.parametrize("word", ["STOP", "START", "HELP"])
def test_a_keyword_of_advanced_opt_out_is_reported_by_twilios_word(word: str) -> None:
    (reported,) = TALK.read(signed({**INBOUND, "Body": "arrêter tout", "OptOutType": word}))
    assert isinstance(reported, Inbound)
    assert reported.text == word


def test_a_request_without_a_receipt_or_a_message_is_refused() -> None:
    with pytest.raises(BadReceipt, match="neither MessageStatus nor Body"):
        TALK.read(signed({"MessageSid": "p-1", "SmsStatus": "sent"}))


def a_message_resource(sid: str, status: str, error_code: int | None = None) -> bytes:
    return http_reply(200, {"sid": sid, "status": status, "error_code": error_code, "body": "hello"})


def test_messages_can_be_polled() -> None:
    reports, got = TALK.poll(
        {
            "/SM1.json": a_message_resource("SM1", "delivered"),
            "/SM2.json": a_message_resource("SM2", "undelivered", 30005),
            "/SM3.json": http_reply(404, {"code": 20404, "status": 404}),
            "/SM4.json": a_message_resource("SM4", "sent"),
            "/SM5.json": http_reply(429),
        },
        ["SM1", "SM2", "SM3", "SM4", "SM5"],
    )
    assert {report.ref: report.status for report in reports} == {
        "SM1": Status.RECEIVED,
        "SM2": Status.INVALID_NUMBER,
        "SM4": None,
    }
    targets = sorted(one.target for one in got)
    assert targets[0] == f"/2010-04-01/Accounts/{ACCOUNT}/Messages/SM1.json"
    assert all(one.head.startswith("GET ") and authorization(one.head) for one in got)


def test_a_poll_leaves_out_messages_that_were_deleted_at_the_provider() -> None:
    gone = {".json": http_reply(404, {"code": 20404, "status": 404})}
    assert TALK.poll(gone, ["SM1", "SM2"])[0] == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"account_sid": "SK1"}, "account_sid"),
        ({"auth_token": None, "receipt_url": None}, "set auth_token, or api_key and api_secret"),
        ({"api_key": f"SK{'2' * 32}"}, "api_key and api_secret belong together"),
        (
            {"auth_token": None, "api_key": f"SK{'2' * 32}", "api_secret": "s"},
            "receipt_url needs auth_token",
        ),
        ({"auth_token": "a-very-secret-key\n"}, "auth_token: a secret must be one line of ASCII"),
        ({"receipt_url": "https://u:p@our.example/r"}, "receipt_url: a URL must have no user and password"),
        ({"messaging_service_sid": "XX"}, "messaging_service_sid"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_option_is_named_without_its_secret(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as refused:
        talking(TWILIO, **wrong).open()
    assert CREDENTIAL not in str(refused.value)
