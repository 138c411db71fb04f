"""Requests and responses over httpx.MockTransport; test_conformance.py uses real sockets."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Outcome,
    Outgoing,
    ProviderConfig,
    Rejected,
    Unknown,
)
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.providers.generic_http import HttpProvider
from tests.providers.peer import a_date

MESSAGE = Outgoing(
    "m-1", "+254701234567", "ACME", "héllo & more", 1, Tier.STANDARD, 1, datetime(2026, 3, 1, tzinfo=UTC)
)


OURS = "https://sms.example.org/receipts/acme"


def send(
    answer: httpx.Response, message: Outgoing = MESSAGE, **options: Any
) -> tuple[Outcome, httpx.Request]:
    got: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        got.append(request)
        return answer

    async def work() -> Outcome:
        options.setdefault("url", "https://provider.example/send")
        config = ProviderConfig("acme", "http", options, receipt_url=OURS)
        provider = HttpProvider(config, transport=httpx.MockTransport(serve))
        (outcome,) = await provider.send([message], lambda: True)
        await provider.close()
        return outcome

    outcome = asyncio.run(work())
    return outcome, got[0]


def outcome_of(
    status: int, *, body: object = None, headers: Mapping[str, str] | None = None, **options: Any
) -> Outcome:
    content = body if isinstance(body, (str, bytes)) else b"" if body is None else json.dumps(body)
    return send(httpx.Response(status, content=content, headers=dict(headers or {})), **options)[0]


def test_a_json_body_carries_the_message() -> None:
    _, request = send(httpx.Response(200), json={"to": ["{to}"], "body": "{text}", "n": "{segments}"})
    assert json.loads(request.content) == {"to": ["+254701234567"], "body": "héllo & more", "n": 1}
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("options", "url"), [({}, OURS), ({"receipt_url": "https://other.example/"}, "https://other.example/")]
)
def test_receipts_come_to_our_public_url_unless_the_options_name_another(
    options: Mapping[str, Any], url: str
) -> None:
    _, request = send(httpx.Response(200), json={"callback": "{receipt_url}"}, **options)
    assert json.loads(request.content) == {"callback": url}


def test_the_trace_is_sent_in_its_header() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    _, request = send(httpx.Response(200), replace(MESSAGE, traceparent=trace), json={"to": "{to}"})
    assert request.headers["traceparent"] == trace


def test_a_header_of_the_options_replaces_a_usual_one_and_credentials_replace_both() -> None:
    options: dict[str, Any] = {
        "headers": {"user-agent": "{reference}", "Accept": "text/plain", "x-KEY": "no"}
    }
    options["auth"] = {"kind": "header", "name": "X-Key", "value": "k"}
    _, request = send(httpx.Response(200), **options)
    for name, value in {"user-agent": "m-1", "accept": "text/plain", "x-key": "k"}.items():
        assert request.headers.get_list(name) == [value]


def test_a_request_says_its_host_and_its_length() -> None:
    _, request = send(httpx.Response(200), url="https://provider.example:8443/send", json={"text": "{text}"})
    assert request.headers["host"] == "provider.example:8443"
    assert int(request.headers["content-length"]) == len(request.content)


def test_a_post_without_a_body_has_a_length_and_a_get_has_none() -> None:
    assert send(httpx.Response(200))[1].headers["content-length"] == "0"
    assert "content-length" not in send(httpx.Response(200), method="GET")[1].headers


def test_a_form_carries_the_message() -> None:
    _, request = send(httpx.Response(200), form={"to": "{to_digits}", "text": "{text}"})
    assert parse_qs(request.content.decode()) == {"to": ["254701234567"], "text": ["héllo & more"]}
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"


def test_a_text_is_a_body_too_and_a_sender_fits_a_header() -> None:
    _, request = send(
        httpx.Response(202), text="{text}", headers={"X-From": "{sender}", "X-Coding": "{coding}"}
    )
    assert request.content == "héllo & more".encode()
    assert request.headers["content-type"] == "text/plain; charset=utf-8"
    assert request.headers["x-from"] == "ACME"


@pytest.mark.parametrize(("text", "coding"), [("é {€}", 0), ("ё", 2)])
def test_the_coding_is_that_of_the_text(text: str, coding: int) -> None:
    _, request = send(httpx.Response(200), replace(MESSAGE, text=text), json={"dcs": "{coding}"})
    assert json.loads(request.content) == {"dcs": coding}


def test_several_headers_may_carry_credentials() -> None:
    auth = {"kind": "headers", "values": {"X-User": "acme", "X-Password": "{k}"}}
    _, request = send(httpx.Response(200), auth=auth)
    assert (request.headers["x-user"], request.headers["x-password"]) == ("acme", "{k}")


def test_a_refusal_may_say_that_the_number_has_opted_out() -> None:
    rules = [{"path": "code", "equals": 21610, "then": "rejected", "code": 31, "opted_out": True}]
    outcome = outcome_of(400, body={"code": 21610}, rules=rules)
    assert outcome == Rejected(Status.BLOCKED, "HTTP 400", opted_out=True)


def test_a_query_carries_the_message_beside_what_the_url_has() -> None:
    options: dict[str, Any] = {"url": "https://provider.example/send?v=2", "method": "GET"}
    options["query"] = {"t": "{text}"}
    _, request = send(httpx.Response(200), **options)
    assert dict(request.url.params) == {"v": "2", "t": "héllo & more"}
    assert request.content == b""


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (
            {"kind": "basic", "username": "u", "password": "pässword"},
            "authorization",
            "Basic dTpww6Rzc3dvcmQ=",
        ),
        ({"kind": "bearer", "token": "t0ken"}, "authorization", "Bearer t0ken"),
        ({"kind": "header", "name": "X-Key", "value": "k"}, "x-key", "k"),
    ],
)
def test_a_credential_goes_into_a_header(auth: Mapping[str, str], header: str, value: str) -> None:
    _, request = send(httpx.Response(200), auth=auth, headers={"X-Ref": "{reference}"})
    assert request.headers[header] == value
    assert request.headers["x-ref"] == "m-1"


@pytest.mark.parametrize(
    ("reference", "refs"),
    [
        ({"path": "messages.0.id"}, ("a",)),
        ({"path": "messages.*.id"}, ("a", "7")),
        ({"path": "messages.5.id"}, ()),
        ({"regex": '"id": "?(\\w+)'}, ("a", "7")),
        ({"header": "X-Id"}, ("h-1",)),
        ({"header": "X-None"}, ()),
    ],
)
def test_references_are_found_where_the_options_say(
    reference: Mapping[str, str], refs: tuple[str, ...]
) -> None:
    body = {"messages": [{"id": "a"}, {"id": 7}]}
    assert outcome_of(200, body=body, headers={"X-Id": "h-1"}, reference=reference) == Accepted(refs)


def test_accepted_without_a_reference_is_accepted() -> None:
    assert outcome_of(204) == Accepted(())
    assert outcome_of(200, body={}, reference={"path": "id"}) == Accepted(())
    assert outcome_of(204, reference={"path": "id"}) == Accepted(())


def test_an_answer_that_should_be_json_and_is_not_is_unknown() -> None:
    page = "<html>Please log in to the hotel's network</html>"
    assert isinstance(outcome_of(200, body=page, reference={"path": "id"}), Unknown)


def test_characters_that_postgres_cannot_store_are_replaced_in_a_reference() -> None:
    assert outcome_of(200, body='{"id": "a\\u0000\\ud800"}', reference={"path": "id"}) == Accepted(("a??",))


DEFAULTS: dict[type[Outcome], list[int]] = {
    Accepted: [200, 201, 202, 204, 299],
    Deferred: [401, 402, 403, 425, 429, 503],
    Rejected: [400, 404, 405, 409, 410, 413, 415, 422, 451, 499],
    Unknown: [300, 301, 307, 304, 408, 500, 501, 502, 504, 599],
}


@pytest.mark.parametrize(
    ("kind", "status"), [(kind, status) for kind in DEFAULTS for status in DEFAULTS[kind]]
)
def test_without_rules_the_http_status_decides(kind: type[Outcome], status: int) -> None:
    outcome = outcome_of(status)
    assert type(outcome) is kind
    if isinstance(outcome, Rejected):
        assert outcome.status is Status.FAILED


RULES = [
    {"http": 200, "path": "code", "equals": 0, "then": "accepted"},
    {"path": "code", "in": [21211, 21614], "then": "rejected", "code": 30},
    {"path": "code", "equals": "21610", "then": "rejected", "code": 31},
    {"path": "message", "matches": "(?i)queue full", "then": "deferred", "after": "PT30S"},
    {"matches": "^ERR 9", "then": "unknown"},
    {"http": "4xx", "path": "maybe", "then": "unknown"},
    {"http": 200, "then": "rejected"},
]


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, {"code": 0}, Accepted(())),
        (400, {"code": 21211}, Rejected(Status.INVALID_NUMBER, "HTTP 400")),
        (400, {"code": "21614"}, Rejected(Status.INVALID_NUMBER, "HTTP 400")),
        (200, {"code": 21610}, Rejected(Status.BLOCKED, "HTTP 200")),
        (400, {"message": "Queue Full!"}, Deferred("HTTP 400: Queue Full!", timedelta(seconds=30))),
        (200, "ERR 9 what?", Unknown("HTTP 200")),
        (422, {"maybe": True}, Unknown("HTTP 422")),
        (200, {"code": 5}, Rejected(Status.FAILED, "HTTP 200")),
        (503, {}, Deferred("HTTP 503")),
    ],
)
def test_the_first_rule_that_fits_decides(status: int, body: object, outcome: Outcome) -> None:
    assert outcome_of(status, body=body, rules=RULES, reason="message") == outcome


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({"Retry-After": "120"}, timedelta(seconds=120)),
        ({"Retry-After": a_date(hour=12), "Date": a_date(hour=11)}, timedelta(hours=1)),
        ({"Retry-After": a_date(hour=10), "Date": a_date(hour=11)}, timedelta(0)),
        ({"Retry-After": a_date(hour=12)}, None),
        ({"Retry-After": "soon", "Date": a_date(hour=11)}, None),
        ({"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT", "Date": a_date(hour=11)}, None),
        ({"Retry-After": "9" * 5000}, timedelta(days=1)),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_counted_from_the_answers_own(
    headers: Mapping[str, str], after: timedelta | None
) -> None:
    assert outcome_of(429, headers=headers) == Deferred("HTTP 429", after)


@pytest.mark.parametrize(
    "body", ["[" * 100_000, "9" * 5000, '"', "\udcff".encode("utf-8", "surrogatepass"), "{}" * 2]
)
def test_no_response_makes_the_provider_raise(body: str | bytes) -> None:
    outcome_of(200, body=body, reference={"path": "a.b"}, rules=RULES, reason="c")
    outcome_of(400, body=body, rules=RULES, reason="c")


def test_a_long_reason_is_cut() -> None:
    outcome = outcome_of(400, body={"m": "x" * 10_000}, reason="m")
    assert isinstance(outcome, Rejected)
    assert len(outcome.reason) == 200
