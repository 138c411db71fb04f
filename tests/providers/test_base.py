"""The base of plug-ins with one request per message."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    ProviderConfig,
    ReceiptReport,
    Rejected,
    Unknown,
)
from dispatcher.domain.errors import BadReceipt, BadSignature, Misconfigured, Unavailable
from dispatcher.domain.messages.status import Status
from dispatcher.providers.base import MAX_CONCURRENT_POLLS, PluginOptions, poll_concurrently, read_options
from dispatcher.providers.responses import (
    check_signature,
    form_fields,
    json_object,
    outcome_by_status,
    retry_after,
    text_field,
)
from tests.providers.cases.smsgate import SMSGATE, state
from tests.providers.cases.twilio import TWILIO
from tests.providers.cases.vonage import VONAGE, part
from tests.providers.conformance import Case, a_message
from tests.providers.conversation import talking
from tests.providers.peer import a_date, always, http_reply, listening
from tests.providers.transports import run

ANSWERS = {
    "smsgate": http_reply(202, state("Pending")),
    "twilio": http_reply(201, {"sid": "p-1"}),
    "vonage": http_reply(200, {"messages": [part("p-1")]}),
}


@pytest.mark.parametrize("case", [SMSGATE, TWILIO, VONAGE], ids=lambda case: case.name)
def test_the_trace_is_sent_in_its_header(case: Case) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    _, got = talking(case).send(ANSWERS[case.name], replace(a_message(), traceparent=trace))
    assert f"traceparent: {trace}" in got.head.split("\r\n")
    assert "traceparent" not in talking(case).send(ANSWERS[case.name])[1].head


@pytest.mark.parametrize("case", [SMSGATE, TWILIO, VONAGE], ids=lambda case: case.name)
def test_each_header_is_written_once(case: Case) -> None:
    _, got = talking(case).send(ANSWERS[case.name], a_message(text="早安"))
    names = [line.partition(":")[0].lower() for line in got.head.split("\r\n")[1:] if line]
    assert len(names) == len(set(names))
    assert {"host", "content-length", "content-type", "authorization"} <= set(names)


@pytest.mark.parametrize("case", [SMSGATE, TWILIO, VONAGE], ids=lambda case: case.name)
def test_calls_use_the_proxy_of_the_options(case: Case) -> None:
    async def work() -> None:
        async with listening(always(ANSWERS[case.name])) as proxy:
            provider = talking(case, url="http://provider.example", proxy=proxy.url).open()
            (outcome,) = await provider.send([a_message()], lambda: True)
            await provider.close()
            assert isinstance(outcome, Accepted)
            assert proxy.requests[0].head.startswith("POST http://provider.example/")

    run(work())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "url: is missing"),
        ({"url": "ftp://provider.example"}, "url: this is not an absolute http or https URL"),
        ({"url": "https://u:p@provider.example"}, "url: a URL must have no user and password"),
        ({"url": "https://provider.example/x?y=z"}, "url: this URL must have no query and no fragment"),
        ({"url": "https://provider.example:x"}, "url: this is not a URL"),
        ({"url": "https://p.example", "proxy": "socks://p"}, "proxy: this is not the URL of a proxy"),
        ({"url": "no", "keep_alive": -1}, "url: .*; keep_alive: "),
    ],
)
def test_all_faulty_options_are_named_at_once(options: dict[str, object], said: str) -> None:
    with pytest.raises(Misconfigured, match=f"^provider acme: {said}"):
        read_options(PluginOptions, ProviderConfig("acme", "any", options))


def test_a_slash_at_the_end_of_a_url_makes_no_difference() -> None:
    config = ProviderConfig("acme", "any", {"url": "https://provider.example/api/"})
    assert read_options(PluginOptions, config).url == "https://provider.example/api"


@pytest.mark.parametrize("status", [*range(100, 104), *range(200, 209), *range(300, 309), *range(400, 600)])
def test_every_http_status_but_success_is_later_final_or_unknown(status: int) -> None:
    outcome = outcome_by_status(httpx.Response(status))
    if status in {401, 402, 403, 425, 429, 503}:
        assert outcome == Deferred(f"HTTP {status}", of_account=status in {401, 402, 403})
    elif 400 <= status < 500 and status != 408:
        assert outcome == Rejected(Status.FAILED, f"HTTP {status}")
    else:
        assert outcome == Unknown(f"HTTP {status}")


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({}, None),
        ({"Retry-After": "7"}, timedelta(seconds=7)),
        ({"Retry-After": "9" * 30}, timedelta(days=1)),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": a_date(hour=13), "Date": a_date(hour=12)}, timedelta(hours=1)),
        ({"Retry-After": a_date(hour=11), "Date": a_date(hour=12)}, timedelta(0)),
        ({"Retry-After": a_date(hour=13)}, None),
    ],
)
def test_a_pause_is_read_in_seconds_or_from_one_date_to_another(
    headers: dict[str, str], after: timedelta | None
) -> None:
    assert retry_after(httpx.Response(503, headers=headers)) == after


@pytest.mark.parametrize("body", [b"", b"null", b"[1]", b'"x"', b"\xff", b"{" * 100_000, b'{"a": 1'])
def test_anything_but_a_json_object_is_read_as_an_empty_one(body: bytes) -> None:
    assert json_object(body) == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (17, "17"),
        (True, "true"),
        (None, ""),
        ([1], ""),
        ({}, ""),
        ("a\0b", "a?b"),
        ("\ud83d", "?"),
    ],
)
def test_a_field_is_read_as_text_that_a_database_keeps(value: object, text: str) -> None:
    assert text_field({"name": value}, "name") == text
    assert text_field({}, "name") == ""


def test_a_form_keeps_empty_fields_and_their_order() -> None:
    assert form_fields(b"b=1&a=&c=%C3%A9+%26") == [("b", "1"), ("a", ""), ("c", "é &")]


@pytest.mark.parametrize("body", [b"x", b"\xff=1", b"&".join([b"a=1"] * 500)])
def test_anything_but_a_form_is_refused(body: bytes) -> None:
    with pytest.raises(BadReceipt):
        form_fields(body)


@pytest.mark.parametrize("shown", ["", "bbb", "aa", "é", "\udcff"])
def test_a_signature_must_be_one_of_the_expected_ones(shown: str) -> None:
    check_signature("aaa", "zzz", "aaa")
    with pytest.raises(BadSignature):
        check_signature(shown, "zzz", "aaa")


def test_a_poll_has_few_open_requests_and_returns_reports_in_order() -> None:
    under_way, most = 0, 0

    async def ask(ref: str) -> ReceiptReport:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return ReceiptReport(ref, None, Status.RECEIVED)

    refs = [f"p-{number}" for number in range(5 * MAX_CONCURRENT_POLLS)]
    assert [report.ref for report in asyncio.run(_poll(refs, ask))] == refs
    assert most == MAX_CONCURRENT_POLLS


def test_a_poll_leaves_out_failed_requests_and_fails_if_all_failed() -> None:
    async def ask(ref: str) -> ReceiptReport | None:
        if ref == "away":
            raise Unavailable("HTTP 503")
        return None if ref == "unknown" else ReceiptReport(ref, None, None)

    assert asyncio.run(_poll(["away", "unknown", "p-1"], ask)) == [ReceiptReport("p-1", None, None)]
    assert asyncio.run(_poll(["away", "unknown"], ask)) == []
    assert asyncio.run(_poll([], ask)) == []
    with pytest.raises(Unavailable):
        asyncio.run(_poll(["away", "away"], ask))


async def _poll(
    refs: list[str], ask: Callable[[str], Awaitable[ReceiptReport | None]]
) -> list[ReceiptReport]:
    return list(await poll_concurrently(refs, ask))
