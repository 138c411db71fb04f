"""Several messages in one request, over httpx.MockTransport."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest

from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Outcome,
    ProviderConfig,
    Rejected,
    Unknown,
    Unsent,
)
from dispatcher.domain.errors import Misconfigured
from dispatcher.domain.messages.status import Status
from dispatcher.providers.generic_http import HttpProvider
from tests.providers.conformance import a_message

MESSAGE = {"to": "{to}", "from": "{sender}", "text": "{text}", "ref": "{reference}", "dlr": "{receipt_url}"}
OPTIONS: dict[str, Any] = {
    "url": "https://provider.example/send",
    "json": {"account": "acme", "bulk": {"messages": [MESSAGE]}},
    "receipt_url": "https://sms.our.example/receipts/acme",
    "batch": {"max": 10, "messages": "bulk.messages", "answers": "results", "reference": "ref"},
    "reference": {"path": "ids"},
    "reason": "error",
    "rules": [
        {"path": "error", "equals": "later", "then": "deferred"},
        {"path": "error", "equals": "stopped", "then": "rejected", "code": 31, "opted_out": True},
        {"path": "error", "then": "rejected", "code": 30},
    ],
}
BY_PLACE: dict[str, Any] = {"batch": {"max": 10, "messages": "bulk.messages", "answers": "results"}}


def send(
    answer: httpx.Response,
    count: int = 3,
    *,
    gate: bool = True,
    traceparent: str | None = None,
    **options: Any,
) -> tuple[Sequence[Outcome], list[httpx.Request]]:
    got: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        got.append(request)
        return answer

    async def work() -> Sequence[Outcome]:
        config = ProviderConfig("acme", "http", OPTIONS | options)
        provider = HttpProvider(config, transport=httpx.MockTransport(serve))
        assert provider.max_batch == 10
        messages = [a_message(f"m-{number}", text=f"text {number}") for number in range(count)]
        messages = [replace(message, traceparent=traceparent) for message in messages]
        outcomes = await provider.send(messages, lambda: gate)
        await provider.close()
        return outcomes

    return asyncio.run(work()), got


def items(*found: dict[str, object], status: int = 200) -> httpx.Response:
    return httpx.Response(status, json={"results": list(found)})


def test_all_messages_are_in_one_request() -> None:
    _, (request,) = send(items())
    body = json.loads(request.content)
    assert body["account"] == "acme"
    assert [message["text"] for message in body["bulk"]["messages"]] == ["text 0", "text 1", "text 2"]
    assert [message["ref"] for message in body["bulk"]["messages"]] == ["m-0", "m-1", "m-2"]
    assert body["bulk"]["messages"][0]["dlr"] == "https://sms.our.example/receipts/acme"
    assert int(request.headers["content-length"]) == len(request.content)


@pytest.mark.parametrize(("count", "is_sent"), [(1, True), (2, False)])
def test_the_trace_is_sent_only_with_a_single_message(count: int, is_sent: bool) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    _, (request,) = send(items(), count, traceparent=trace)
    assert ("traceparent" in request.headers) is is_sent


def test_an_item_belongs_to_the_message_whose_reference_it_has() -> None:
    answer = items(
        {"ref": "m-2", "ids": ["b", "c"]},
        {"ref": "m-0", "error": "later"},
        {"ref": "m-1", "error": "stopped"},
    )
    outcomes, _ = send(answer)
    assert outcomes == [
        Deferred("HTTP 200: later", None),
        Rejected(Status.BLOCKED, "HTTP 200: stopped", opted_out=True),
        Accepted(("b", "c")),
    ]


def test_without_a_reference_an_item_belongs_to_the_message_at_its_position() -> None:
    outcomes, _ = send(items({"ids": "a"}, {"error": "no such number"}, {"ids": "c"}), **BY_PLACE)
    rejected = Rejected(Status.INVALID_NUMBER, "HTTP 200: no such number")
    assert outcomes == [Accepted(("a",)), rejected, Accepted(("c",))]


def test_a_message_that_no_item_names_is_unknown() -> None:
    outcomes, _ = send(items({"ref": "m-0", "ids": "a"}, {"ref": "m-7", "ids": "b"}, {"ids": "c"}))
    assert outcomes[0] == Accepted(("a",))
    assert all(isinstance(outcome, Unknown) for outcome in outcomes[1:])


def test_with_fewer_items_than_messages_all_outcomes_are_unknown() -> None:
    outcomes, _ = send(items({"ids": "a"}, {"ids": "b"}), **BY_PLACE)
    assert all(isinstance(outcome, Unknown) for outcome in outcomes)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            httpx.Response(400, json={"error": "bad body"}),
            Rejected(Status.INVALID_NUMBER, "HTTP 400: bad body"),
        ),
        (httpx.Response(401), Deferred("HTTP 401", of_account=True)),
        (httpx.Response(500), Unknown("HTTP 500")),
        (httpx.Response(200, json={}), Unknown("HTTP 200, but the response names no message")),
        (items(), Unknown("HTTP 200, but the response names no message")),
        (httpx.Response(200, text="OK"), Unknown("HTTP 200, but the response is not JSON")),
    ],
)
def test_an_answer_without_items_is_about_all(answer: httpx.Response, expected: Outcome) -> None:
    assert send(answer)[0] == [expected] * 3


def test_a_closed_gate_is_unsent_for_all() -> None:
    outcomes, got = send(items(), gate=False)
    assert got == []
    assert outcomes == [Unsent("the gate was closed")] * 3


def test_one_message_is_a_batch_of_one() -> None:
    outcomes, (request,) = send(items({"ref": "m-0", "ids": "a"}), 1)
    assert outcomes == [Accepted(("a",))]
    assert len(json.loads(request.content)["bulk"]["messages"]) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"json": {"messages": []}}, "batch: json must have a list of one item at 'bulk.messages'"),
        ({"json": None, "form": {"a": "{to}"}}, "batch: json must have a list of one item"),
        ({"json": {"bulk": {"messages": [{}, {}]}}}, "batch: json must have a list of one item"),
        ({"json": {"to": "{to}", "bulk": {"messages": [{}]}}}, "batch: {to} differs by message"),
        ({"headers": {"X-R": "{reference}"}}, "batch: {reference} differs by message"),
        ({"reference": {"header": "X-Id"}}, "batch needs reference.path"),
        ({"batch": {"max": 1, "messages": "a", "answers": "b"}}, "batch.max"),
    ],
)
def test_options_that_allow_no_batch_are_refused(options: dict[str, Any], words: str) -> None:
    async def work() -> None:
        HttpProvider(ProviderConfig("acme", "http", OPTIONS | options))

    with pytest.raises(Misconfigured) as wrong:
        asyncio.run(work())
    assert words in str(wrong.value)
