"""Receipts and inbound messages without a signature are believed only where the options say so, aloud."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from dispatcher.domain.delivery.provider import Inbound, ProviderReports, ReceiptReport, ReceiptRequest
from dispatcher.domain.errors import BadReceipt, Misconfigured
from tests.providers.cases.smsgate import SMSGATE, event
from tests.providers.cases.twilio import TWILIO, signed
from tests.providers.cases.vonage import VONAGE, delivery, posted
from tests.providers.conformance import CREDENTIAL, HTTP
from tests.providers.conversation import Talk, talking

NONE = {"kind": "none"}
KEY = "SK" + "0" * 32

_RECEIPTS = {"ref": "id", "status": "status", "words": {"DELIVRD": 13}}

UNSIGNED = {
    "http": (talking(HTTP, receipts=_RECEIPTS), HTTP.receipt("DELIVRD")),
    "smsgate": (talking(SMSGATE, signing_key=None), event("sms:delivered", messageId="p-1")),
    "twilio": (
        talking(TWILIO, auth_token=None, receipt_url=None, api_key=KEY, api_secret=CREDENTIAL),
        signed({"MessageSid": "p-1", "MessageStatus": "delivered"}),
    ),
    "vonage": (talking(VONAGE, signature_secret=None), posted(delivery("delivered"))),
}
INBOUND = {
    "smsgate": event("sms:received", message="STOP", sender="+16505551212", recipient="+12025550100"),
    "vonage": posted({"msisdn": "254701234567", "to": "22141", "messageId": "p-1", "text": "STOP"}),
}
SECRETS = {"smsgate": "signing_key", "vonage": "signature_secret"}
CASES = {"smsgate": SMSGATE, "vonage": VONAGE}


def _bare(request: ReceiptRequest) -> ReceiptRequest:
    """Return the request without what signs it in a header."""
    return replace(request, headers={k: v for k, v in request.headers.items() if not k.startswith("x-")})


def _believing(name: str) -> Talk:
    return talking(CASES[name], **{SECRETS[name]: None, "signature": NONE})


@pytest.mark.parametrize("name", UNSIGNED)
def test_a_plug_in_that_could_verify_believes_nobody_by_default(name: str) -> None:
    talk, request = UNSIGNED[name]
    for received in (request, _bare(request)):
        with pytest.raises((Misconfigured, BadReceipt)) as refused:
            talk.read(received)
        assert CREDENTIAL not in str(refused.value)


def test_vonage_without_a_secret_does_not_start_and_says_what_to_write() -> None:
    with pytest.raises(
        Misconfigured, match=r'signature_secret is missing.*or write "signature": {"kind": "n'
    ):
        talking(VONAGE, signature_secret=None).open()


def test_a_phone_without_a_key_may_be_polled_and_says_what_to_write() -> None:
    talk, request = UNSIGNED["smsgate"]
    with pytest.raises(BadReceipt, match=r'signing_key.*or write "signature": {"kind": "none"}'):
        talk.read(request)


@pytest.mark.parametrize("name", CASES)
def test_a_plug_in_that_is_told_to_believes_everybody(name: str) -> None:
    def only(reports: "list[ProviderReports]") -> ProviderReports:
        (report,) = reports
        return report

    talk = _believing(name)
    assert isinstance(only([*talk.read(_bare(UNSIGNED[name][1]))]), ReceiptReport)
    assert isinstance(only([*talk.read(_bare(INBOUND[name]))]), Inbound)


@pytest.mark.parametrize("name", CASES)
def test_a_plug_in_that_believes_everybody_says_so_in_the_log(name: str) -> None:
    with capture_logs() as logged:
        _believing(name).read(_bare(UNSIGNED[name][1]))
    assert [(line["event"], line["log_level"], line["provider"]) for line in logged] == [
        ("receipts_believed_unsigned", "warning", "acme")
    ]
    with capture_logs() as logged:
        talking(CASES[name]).open()
    assert logged == []


@pytest.mark.parametrize("name", CASES)
def test_a_secret_and_no_signature_exclude_each_other(name: str) -> None:
    with pytest.raises(Misconfigured, match=f"{SECRETS[name]} and signature"):
        talking(CASES[name], signature=NONE).open()


@pytest.mark.parametrize("signature", [{}, {"kind": "hmac-sha256"}, "none", {"kind": "none", "secret": "x"}])
@pytest.mark.parametrize("name", CASES)
def test_no_other_signature_is_understood(name: str, signature: object) -> None:
    with pytest.raises(Misconfigured, match="signature"):
        talking(CASES[name], **{SECRETS[name]: None, "signature": signature}).open()
