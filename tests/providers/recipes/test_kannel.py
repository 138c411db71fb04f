"""The recipe `kannel` against Kannel's user guide and source."""

from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import pytest

from dispatcher.domain.delivery.provider import Accepted, Inbound, ReceiptReport
from dispatcher.domain.messages.status import Status
from tests.providers.cases.kannel import KANNEL, called
from tests.providers.cases.recipe import RECEIPT_URL
from tests.providers.conformance import CREDENTIAL, a_message
from tests.providers.peer import http_reply
from tests.providers.recipes.exchange import head, inbound, meaning, reported, send, table, the_report

TYPES = table((13, "1"), (38, "2 16"), (None, "4 8"))


def test_a_request_is_a_push_by_post_and_its_credentials_are_headers() -> None:
    (outcome,), got = send(KANNEL, http_reply(202, b"0: Accepted for delivery"))
    assert outcome == Accepted(())
    assert got.head.startswith("POST /cgi-bin/sendsms HTTP/1.1\r\n")
    sent = head(got)
    assert sent["Content-Type"] == "text/plain; charset=utf-8"
    assert {name: value for name, value in sent.items() if name.startswith("X-Kannel-")} == {
        "X-Kannel-Username": "tester",
        "X-Kannel-Password": CREDENTIAL,
        "X-Kannel-From": "ACME",
        "X-Kannel-To": "+254701234567",
        "X-Kannel-Coding": "0",
        "X-Kannel-Validity": "1",
        "X-Kannel-DLR-Mask": "19",
        "X-Kannel-DLR-Url": f"{RECEIPT_URL}?token={CREDENTIAL}&reference=m-1&type=%d&answer=%A",
    }
    assert got.body == b"hello"


def test_a_text_beyond_the_gsm_alphabet_is_marked_as_ucs2() -> None:
    _, got = send(KANNEL, http_reply(202), [a_message(text="Привет {0}")])
    assert head(got)["X-Kannel-Coding"] == "2"
    assert got.body.decode() == "Привет {0}"


@pytest.mark.parametrize(
    ("status", "words", "meant"),
    [
        (202, "0: Accepted for delivery", "accepted"),
        (202, "3: Queued for later delivery", "accepted"),
        (400, "Missing receiver(s) number(s), rejected", 30),
        (400, "Empty receiver number not allowed, rejected", 30),
        (400, "Sender missing and no global set, rejected", 38),
        (400, "Invalid content-type", 38),
        (403, "Authorization failed for sendsms", "deferred"),
        (403, "Not routable. Do not try again.", 38),
        (415, "Unsupported content-type, rejected", 38),
        (503, "Temporal failure, try again later.", "deferred"),
    ],
)
def test_every_answer_of_smsbox_has_its_meaning(status: int, words: str, meant: int | str) -> None:
    assert meaning(KANNEL, http_reply(status, words.encode())) == meant


@pytest.mark.parametrize("bit", TYPES)
def test_every_type_of_a_report_has_its_code(bit: str) -> None:
    assert reported(KANNEL, called(f"reference=m-1&type={bit}&answer=")) == TYPES[bit]


def test_a_report_of_an_smsc_that_says_expired_is_too_late_and_its_text_is_not_kept() -> None:
    answer = "id:1 sub:001 dlvrd:000 submit date:2603011200 stat:EXPIRED err:000 text:Your code"
    report = the_report(KANNEL, called(urlencode({"reference": "m-1", "type": "2", "answer": answer})))
    assert report == ReceiptReport(None, "m-1", Status.TOO_LATE, "2")


def test_a_message_from_a_handset_is_read_in_its_own_charset() -> None:
    for charset in ("UTF-8", "UTF-16BE"):
        text = quote("Стоп 1".encode(charset))
        fields = f"from=%2B254701234567&to=22345&text={text}&charset={charset}&id=u-1&at=1772366400"
        assert inbound(KANNEL, called(fields)) == Inbound(
            "+254701234567", "22345", "Стоп 1", "u-1", datetime(2026, 3, 1, 12, tzinfo=UTC)
        )
