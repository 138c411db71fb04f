"""Messages from handsets, at the same URL as receipts."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from dispatcher.domain.delivery.inbound_part import InboundPart
from dispatcher.domain.delivery.provider import Inbound, ProviderReports, ReceiptReport, ReceiptRequest
from dispatcher.domain.errors import BadReceipt, Misconfigured
from dispatcher.domain.messages.status import Status
from dispatcher.providers.generic_http.options import read_options
from dispatcher.providers.generic_http.receipt import read_reports

OPTIONS: dict[str, Any] = {
    "url": "https://provider.example/send",
    "receipts": {
        "ref": "id",
        "status": "status",
        "words": {"ok": 13, "bad": 38},
        "items": "all",
        "signature": {"kind": "none"},
    },
    "inbound": {
        "when": {"path": "kind", "equals": "mo"},
        "sender": "from.number",
        "recipient": "to",
        "text": "text",
        "ref": "id",
        "sent_at": "at",
    },
}


def reports(body: str, **options: Any) -> list[ProviderReports]:
    read_in = read_options("acme", OPTIONS | options)
    assert read_in.receipts is not None
    return list(
        read_reports(
            ReceiptRequest("POST", {}, {}, body.encode()), read_in.receipts, read_in.inbound, now=0.0
        )
    )


def test_receipts_and_messages_may_come_together() -> None:
    body = (
        '{"all": [{"id": "r", "status": "ok"},'
        ' {"id": "i", "kind": "mo", "from": {"number": "254701234567"}, "to": 22345, "text": "Hi"}]}'
    )
    assert reports(body) == [
        ReceiptReport("r", None, Status.RECEIVED, "ok"),
        Inbound("254701234567", "22345", "Hi", "i", None),
    ]


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ('"2026-03-01T12:00:00Z"', datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ('"2026-03-01T12:00:00.000+0300"', datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=3)))),
        ("1772366400", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ('"2026-03-01T12:00:00"', None),
        ('"yesterday"', None),
        ("99999999999999999999", None),
        ("null", None),
        ('""', None),
    ],
)
def test_a_time_without_a_zone_is_ignored(said: str, moment: datetime | None) -> None:
    (one,) = reports(
        f'{{"all": {{"kind": "mo", "from": {{"number": 1}}, "to": 2, "text": "", "at": {said}}}}}'
    )
    assert one == Inbound("1", "2", "", None, moment)


@pytest.mark.parametrize(
    "item", ['{"kind": "mo", "to": 2, "text": "x"}', '{"kind": "mo", "from": {"number": 1}}']
)
def test_a_message_without_sender_or_recipient_is_refused(item: str) -> None:
    with pytest.raises(BadReceipt, match="has no number at"):
        reports(f'{{"all": {item}}}')


def test_the_rules_of_a_report_come_before_its_word() -> None:
    rules = [
        {"path": "error", "in": [7, "8"], "code": 31, "opted_out": True},
        {"path": "error", "code": 30},
        {"matches": "^maybe", "code": None},
    ]
    receipts = OPTIONS["receipts"] | {"rules": rules, "items": None}
    for item, expected in (
        ('{"id": "r", "status": "bad", "error": 8}', ReceiptReport("r", None, Status.BLOCKED, "bad", True)),
        ('{"id": "r", "status": "ok", "error": 9}', ReceiptReport("r", None, Status.INVALID_NUMBER, "ok")),
        ('{"id": "r", "status": "maybe later"}', ReceiptReport("r", None, None, "maybe later")),
        ('{"id": "r", "status": "bad", "error": null}', ReceiptReport("r", None, Status.FAILED, "bad")),
    ):
        assert reports(item, receipts=receipts) == [expected]


def test_our_reference_may_come_back_in_the_url() -> None:
    form = read_options(
        "acme", OPTIONS | {"receipts": OPTIONS["receipts"] | {"reference": "?r", "items": None}}
    )
    assert form.receipts is not None
    body = b'{"status": "ok", "r": "not this"}'
    request = ReceiptRequest("POST", {}, {"r": "m-1"}, body)
    assert read_reports(request, form.receipts, now=0.0) == [
        ReceiptReport(None, "m-1", Status.RECEIVED, "ok")
    ]
    with pytest.raises(BadReceipt, match="names no message"):
        read_reports(replace(request, query={}), form.receipts, now=0.0)


def test_inbound_needs_receipts() -> None:
    with pytest.raises(Misconfigured, match="inbound needs receipts"):
        read_options("acme", {name: OPTIONS[name] for name in ("url", "inbound")})


PART = {"part": {"reference": "udh.ref", "total": "udh.of", "number": "udh.n", "join": 30}}
IN_PARTS = OPTIONS["inbound"] | PART


def a_part(**udh: object) -> str:
    message = {"id": "i", "kind": "mo", "from": {"number": "1"}, "to": "2", "text": "a\ud83c", "udh": udh}
    return json.dumps({"all": message})


def test_a_part_is_reported_with_its_numbers_and_its_half_characters() -> None:
    (part,) = reports(a_part(ref=7, of=3, n=2), inbound=IN_PARTS)
    assert part == InboundPart(
        "1", "2", "7", 3, 2, b"\0a\xd8\x3c", "utf-16-be", "i", join=timedelta(seconds=30)
    )


@pytest.mark.parametrize(
    "udh", [{}, {"ref": 7, "of": 1, "n": 1}, {"ref": 7, "of": 2, "n": 3}, {"of": 2, "n": 1}]
)
def test_a_message_without_the_numbers_of_a_part_is_whole(udh: dict[str, int]) -> None:
    assert reports(a_part(**udh), inbound=IN_PARTS) == [Inbound("1", "2", "a?", "i")]
