import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.delivery.provider import ProviderReports, ReceiptReport, ReceiptRequest
from dispatcher.domain.errors import BadReceipt, BadSignature
from dispatcher.domain.messages.status import Status
from dispatcher.providers.generic_http import receipt
from dispatcher.providers.generic_http.receipt_options import ReceiptOptions

TOKEN = "a-shared-token"
BASE: dict[str, Any] = {
    "ref": "id",
    "reference": "our",
    "status": "state.word",
    "reason": "state.why",
    "signature": {"kind": "none"},
    "words": {"Delivered": 13, "expired": 32, "queued": None},
}


def read(request: ReceiptRequest, form: ReceiptOptions) -> Sequence[ProviderReports]:
    return receipt.read_reports(request, form, now=0.0)


def form(**more: Any) -> ReceiptOptions:
    return ReceiptOptions.model_validate(BASE | more)


def a_request(body: bytes | object = b"", **more: Any) -> ReceiptRequest:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ReceiptRequest(**{"method": "POST", "headers": {}, "query": {}, "body": data} | more)


def test_a_report_is_read_by_its_paths() -> None:
    body = {"id": 17, "our": "m-1", "state": {"word": "EXPIRED", "why": "queue"}}
    assert read(a_request(body), form()) == [ReceiptReport("17", "m-1", Status.TOO_LATE, "EXPIRED: queue")]


def test_a_word_for_on_its_way_changes_no_status() -> None:
    (report,) = read(a_request({"id": "a", "state": {"word": "queued"}}), form())
    assert report == ReceiptReport("a", None, None, "queued")


def test_an_unknown_word_changes_no_status_unless_the_options_say_so() -> None:
    request = a_request({"id": "a", "state": {"word": "lost in space"}})
    (unknown,), (known,) = read(request, form()), read(request, form(unknown_word=38))
    assert isinstance(unknown, ReceiptReport)
    assert unknown.status is None
    assert isinstance(known, ReceiptReport)
    assert known.status is Status.FAILED


@pytest.mark.parametrize("items", ["list", None])
def test_one_request_may_hold_many_reports(items: str | None) -> None:
    reports = [{"id": str(n), "state": {"word": "delivered"}} for n in range(3)]
    body = {items: reports} if items else reports
    assert [report.ref for report in read(a_request(body), form(items=items))] == ["0", "1", "2"]


def test_a_form_is_read() -> None:
    flat = form(source="form", status="word", reason=None)
    assert read(a_request(b"id=a%20b&word=delivered&x="), flat) == [
        ReceiptReport("a b", None, Status.RECEIVED, "delivered")
    ]


def test_a_query_is_read() -> None:
    flat = form(source="query", status="word", reason=None)
    request = a_request(method="GET", query={"our": "m-1", "word": "Delivered"})
    assert read(request, flat) == [ReceiptReport(None, "m-1", Status.RECEIVED, "Delivered")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"id": "a"}',
        b'{"state": {"word": "x"}}',
        b"[" * 99_999,
    ],
)
def test_an_unreadable_receipt_is_refused(body: bytes) -> None:
    with pytest.raises(BadReceipt):
        read(a_request(body), form())


@given(
    st.binary()
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_nothing_but_a_bad_receipt_comes_out_of_garbage(body: bytes) -> None:
    for source in ("json", "form"):
        with pytest.raises(BadReceipt):
            read(a_request(body), form(source=source))


@pytest.mark.parametrize("where", ["header", "query"])
def test_a_shared_token_is_required(where: str) -> None:
    signed = form(signature={"kind": "token", "token": TOKEN, where: "X-Token"})
    body = {"id": "a", "state": {"word": "delivered"}}
    shown = {"headers": {"x-token": TOKEN}} if where == "header" else {"query": {"X-Token": TOKEN}}
    assert read(a_request(body, **shown), signed)
    for wrong in ({}, {"headers": {"x-token": "wrong"}}, {"query": {"X-Token": TOKEN + " "}}):
        with pytest.raises(BadSignature):
            read(a_request(body, **wrong), signed)


def test_an_hmac_covers_the_body_as_received() -> None:
    signed = form(signature={"kind": "hmac-sha256", "secret": TOKEN, "header": "X-Sig", "prefix": "sha256="})
    body = b'{"id":"a",  "state":{"word":"delivered"}}'
    digest = hmac.digest(TOKEN.encode(), body, hashlib.sha256).hex()
    assert read(a_request(body, headers={"x-sig": f"sha256={digest}"}), signed)
    for wrong in ("", digest, f"sha256={digest[:-2]}", "sha256=zz", f"sha256={'0' * 64}", "sha256=é"):
        with pytest.raises(BadSignature):
            read(a_request(body, headers={"x-sig": wrong}), signed)


def test_the_signature_is_verified_before_the_body_is_read() -> None:
    signed = form(signature={"kind": "token", "token": TOKEN, "header": "X-Token"})
    with pytest.raises(BadSignature):
        read(a_request(b"nonsense"), signed)
