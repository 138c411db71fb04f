"""What `send` and the other calls accept: types, values, all faults together."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from dispatcher.domain.errors import (
    Forbidden,
    Invalid,
    InvalidPlan,
    InvalidSubmission,
    KeyReused,
    NotFound,
)
from dispatcher.domain.messages.status import Status
from dispatcher.producer import Dispatcher
from dispatcher.service.accounts import accounts
from dispatcher.service.submissions import templates
from tests.hostile_urls import HOSTILE_URLS
from tests.world import NUMBER, World

HOUR = timedelta(hours=1)
Call = Callable[[Dispatcher], object]

NUMBERS = "to must be a str (one phone number) or a list of str, not"
TEMPLATE = {"text": None, "template_id": "a"}
WRONG_TYPES: dict[str, tuple[dict[str, Any], str]] = {
    "to, a number": (
        {"to": 254712345678},
        f"{NUMBERS} int 254712345678",
    ),
    "to, bytes": (
        {"to": b"+254712345678"},
        f"{NUMBERS} bytes",
    ),
    "to, a dict": ({"to": {NUMBER: "Ada"}}, f"{NUMBERS} dict"),
    "to, None": ({"to": None}, f"{NUMBERS} None"),
    "one of to": ({"to": [NUMBER, 7]}, "to[1] must be a str, not int 7"),
    "text, bytes": ({"text": b"Hello"}, "text must be a str, not bytes b'Hello'"),
    "no text": ({"text": None}, "give either text, or template_id with its variables"),
    "variables, a str": (
        {**TEMPLATE, "variables": "name"},
        "variables must be a dict of str, not str 'name'",
    ),
    "a variable, a number": (
        {**TEMPLATE, "variables": {"n": 1}},
        "variables['n'] must be a str, not int 1",
    ),
    "not_before, a str": (
        {"not_before": "2030-01-01"},
        "not_before must be a datetime, not str '2030",
    ),
    "not_after, a date": (
        {"not_after": date(2030, 1, 1)},
        "not_after must be a datetime, not date",
    ),
    "validity, a number": ({"validity": 300}, "validity must be a timedelta, not int 300"),
    "tier, None": ({"tier": None}, "tier must be a str, not None"),
    "sender, True": ({"sender": True}, "sender must be a str or an int, not bool True"),
    "key, a number": ({"idempotency_key": 7}, "idempotency_key must be a str, not int 7"),
    "external id, a number": ({"external_id": 7}, "external_id must be a str, not int 7"),
    "client id, None": ({"client_id": None}, "client_id must be a str, not None"),
    "a flag, a str": ({"stop_mention": "no"}, "stop_mention must be True or False, not str 'no'"),
    "a choice, a flag": ({"repeats": False}, "repeats must be a str, not bool False"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG_TYPES.values(), ids=list(WRONG_TYPES))
def test_an_argument_of_a_wrong_type_is_named(sms: Dispatcher, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError) as raised:
        sms.send(**{"to": NUMBER, "text": "Hello", **arguments})
    assert str(raised.value).startswith(words)


OTHER_CALLS: dict[str, tuple[Call, str]] = {
    "status": (lambda sms: sms.status("1"), "message_id must be an int or a UUID, not str '1'"),  # type: ignore[arg-type]
    "cancel": (lambda sms: sms.cancel(None), "message_id must be an int or a UUID, not None"),  # type: ignore[arg-type]
    "batch": (lambda sms: sms.batch(1.5), "batch_id must be an int or a UUID or a str, not float 1.5"),  # type: ignore[arg-type]
    "reschedule": (lambda sms: sms.reschedule(shift=HOUR), "give either message_id or batch_id"),
    "shift": (lambda sms: sms.reschedule(message_id=1, shift=60), "shift must be a timedelta, not int 60"),  # type: ignore[arg-type]
    "text": (lambda sms: sms.change_text(None, message_id=1), "text must be a str, not None"),  # type: ignore[arg-type]
    "search": (lambda sms: sms.messages(since="today"), "since must be a datetime, not str 'today'"),  # type: ignore[arg-type]
    "campaign": (
        lambda sms: sms.campaign("a", audience="b", at="tomorrow"),  # type: ignore[arg-type]
        "at must be a datetime, not str 'tomorrow'",
    ),
    "day": (
        lambda sms: sms.campaign("a", audience="b", first_day=datetime.now(UTC)),
        "first_day must be a date, not datetime",
    ),
    "audience": (
        lambda sms: sms.campaign("a", audience=b"b"),  # type: ignore[arg-type]
        "audience must be a str (its name) or rows",
    ),
    "row": (lambda sms: sms.campaign("a", audience=[NUMBER], text="b"), "row 1 must be a dict, not str"),  # type: ignore[list-item]
}


@pytest.mark.parametrize(("call", "words"), OTHER_CALLS.values(), ids=list(OTHER_CALLS))
def test_every_call_names_an_argument_of_a_wrong_type(sms: Dispatcher, call: Call, words: str) -> None:
    with pytest.raises(TypeError) as raised:
        call(sms)
    assert str(raised.value).startswith(words)


WRONG_VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "tier": ({"tier": "urgent"}, "'urgent' is not a tier: give one of critical, standard, bulk"),
    "choice": ({"repeats": "drop"}, "'drop' is no choice for repeats: give one of keep, collapse, refuse"),
    "both ends": ({"validity": HOUR, "not_after": datetime.now(UTC)}, "give either not_after or validity"),
    "no validity": ({"validity": -HOUR}, "validity is above zero, and at most 731 days, not -1 day"),
    "key": ({"idempotency_key": "a b"}, "Idempotency-Key must be 1 to 255 printable ASCII"),
    "external id": ({"external_id": ""}, "external_id is empty"),
    "trace": ({"traceparent": "x"}, "'x' is not a traceparent"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "words"), WRONG_VALUES.values(), ids=list(WRONG_VALUES))
def test_a_wrong_value_is_answered_with_the_choices(
    sms: Dispatcher, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(Invalid) as raised:
        sms.send(NUMBER, "Hello", **arguments)
    assert str(raised.value).startswith(words)


def test_faults_has_all_faults_of_all_recipients_and_fields(sms: Dispatcher) -> None:
    with pytest.raises(InvalidSubmission) as raised:
        sms.send(
            ["one", NUMBER, "two", "+1"],
            template_id="none",
            sender="NOBODY",
            not_before=datetime.now(UTC) + 2 * HOUR,
            not_after=datetime.now(UTC) + HOUR,
            callback_url="ftp://here",
        )
    found = [(fault.field, fault.value) for fault in raised.value.faults]
    assert [field for field, _ in found] == [
        "template_id", "recipients", "recipients", "recipients", "callback_url", "not_after", "sender_id",
    ]  # fmt: skip
    assert [value for field, value in found if field == "recipients"] == ["one", "two", "+1"]


def test_a_template_is_filled_in_and_a_missing_variable_is_named(sms: Dispatcher, shop: World) -> None:
    template = ""

    async def story() -> None:
        nonlocal template
        account = await accounts.find(shop.ctx, "shop")
        template = (await templates.create(shop.ctx, account, "hi", "Hi {{name}}, {{code}}")).public_id

    shop.run_without_account(story)
    values = {"name": "Ada", "code": "4711"}
    message = sms.send(NUMBER, template_id=template, variables=values).messages[0]
    assert sms.message(message.id).text == "Hi Ada, 4711"
    with pytest.raises(InvalidSubmission, match="variables is missing: code"):
        sms.send(NUMBER, template_id=template, variables={"name": "Ada"})


def test_a_repeated_call_returns_the_first_batch_and_sends_nothing(sms: Dispatcher) -> None:
    first = sms.send(NUMBER, "Hello", idempotency_key="k", validity=HOUR, external_id="order-7")
    assert sms.send(NUMBER, "Hello", idempotency_key="k", validity=HOUR, external_id="order-7") == first
    with pytest.raises(KeyReused):
        sms.send(NUMBER, "Hello", idempotency_key="k", validity=HOUR)
    assert sms.balance() == 9_999
    assert sms.batch("order-7").batch.id == first.id


def test_everything_that_is_stored_with_a_batch_can_be_read(sms: Dispatcher) -> None:
    batch = sms.send(
        [NUMBER, "0712345678", "none"],
        "Hello",
        external_id="a",
        client_id="b",
        callback_url="https://example.com/hook",
        invalid_numbers="skip",
        repeats="collapse",
    )
    assert (len(batch.messages), batch.skipped) == (1, 1)
    for name in (batch.id, batch.public_id, "a"):
        found = sms.batch(name)
        assert (found.batch.client_id, found.batch.callback_url) == ("b", "https://example.com/hook")
        assert found.counts == {Status.PENDING: 1}


def test_messages_are_searched_newest_first_and_explained(sms: Dispatcher) -> None:
    ids = [sms.send(number, "Hello").messages[0].id for number in (NUMBER, "+254712345679", NUMBER)]
    assert [message.id for message in sms.messages()] == ids[::-1]
    assert [message.id for message in sms.messages(number="0712345678")] == [ids[2], ids[0]]
    assert list(sms.messages(status=Status.SENT)) == []
    assert "lane" in " ".join(sms.explain(ids[0]))
    assert [event.status for event in sms.history(ids[0]).events] == [Status.PENDING]
    assert list(sms.inbound()) == []


def test_a_message_and_a_batch_are_edited(sms: Dispatcher) -> None:
    start = datetime.now(UTC) + HOUR
    batch = sms.send([NUMBER, "+254712345679"], "Hello", not_before=start, external_id="e")
    first, second = (message.id for message in batch.messages)
    assert sms.reschedule(message_id=first, shift=HOUR).changed == 1
    assert sms.message(first).not_before == start + HOUR
    assert sms.change_text("x" * 200, batch_id="e").charged == 2
    assert sms.message(second).text == "x" * 200
    assert sms.cancel_batch(batch.public_id) == 2
    assert sms.status(second) is Status.WITHDRAWN


@pytest.mark.parametrize("name", [7, 2**70, -1, uuid4()])
def test_what_is_not_there_is_not_found(sms: Dispatcher, name: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: sms.status(name),
        lambda: sms.cancel(name),
        lambda: sms.batch(name),
        lambda: sms.cancel_batch(name),
        lambda: sms.reschedule(message_id=name, shift=HOUR),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()


def test_a_paused_account_is_refused_at_the_next_call(sms: Dispatcher, shop: World) -> None:
    sms.send(NUMBER, "Hello")

    async def story() -> None:
        await accounts.pause(shop.ctx, await accounts.find(shop.ctx, "shop"))

    shop.run_without_account(story)
    with pytest.raises(Forbidden, match="'shop' is paused"):
        sms.send(NUMBER, "Hello")


@pytest.mark.usefixtures("shop")
def test_a_test_producer_pays_nothing() -> None:
    with Dispatcher.from_env(account="shop", test=True) as sms:
        batch = sms.send(NUMBER, "Hello")
        assert (batch.charged, sms.message(batch.messages[0].id).is_test) == (0, True)


@pytest.mark.parametrize(("url", "reason"), HOSTILE_URLS.items())
def test_a_hostile_callback_url_is_refused_with_the_reason(sms: Dispatcher, url: str, reason: str) -> None:
    with pytest.raises(InvalidSubmission) as raised:
        sms.send(NUMBER, "Hello", callback_url=url)
    assert [fault.field for fault in raised.value.faults] == ["callback_url"]
    assert reason in raised.value.faults[0].value
    assert sms.balance() == 10_000


def test_a_campaign_with_a_hostile_callback_url_is_refused(sms: Dispatcher) -> None:
    with pytest.raises(InvalidPlan, match=r"callback_url: the address 168\.63\.129\.16 is private"):
        sms.campaign("spring", audience=[{"to": NUMBER}], text="Hello", callback_url="https://168.63.129.16/")
