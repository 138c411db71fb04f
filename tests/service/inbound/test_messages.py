"""Inbound messages: each is stored once for its account, its keyword applies, and webhooks get it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.callbacks.callback import CallbackReply, CallbackRequest
from dispatcher.domain.callbacks.events import InboundEvent
from dispatcher.domain.delivery.provider import (
    Accepted,
    Inbound,
    Outcome,
    Outgoing,
    ProviderConfig,
    ProviderReports,
    ReceiptReport,
    ReceiptRequest,
    Rejected,
)
from dispatcher.domain.errors import BadReceipt, Conflict, Invalid, NotFound
from dispatcher.domain.inbound.keywords import KeywordAction
from dispatcher.domain.messages.status import Place, Status
from dispatcher.service.accounts import accounts, opt_outs
from dispatcher.service.callbacks import webhooks
from dispatcher.service.callbacks.sender import CallbackSender, FormattedCallback, Signature, SignedPayload
from dispatcher.service.inbound import messages
from dispatcher.service.receipts import ingest
from dispatcher.settings import Settings
from tests.service.callbacks.callback_sending import send_due
from tests.world import NUMBER, World

CODE = "40404"
LONG_CODE = "+254700000001"
URL = "https://shop.example/inbound"
DAY = timedelta(days=1)


def mo(text: str = "Hi", *, ref: str | None = None, to: str = CODE, sender: str = NUMBER) -> Inbound:
    return Inbound(sender=sender, recipient=to, text=text, ref=ref)


async def report(world: World, *reports: ProviderReports) -> None:
    await ingest.keep(world.ctx, "sim", reports)


async def with_code(world: World, caller: Caller | None = None, code: str = CODE) -> int:
    return await accounts.add_sender(world.ctx, (caller or world.caller).account, code)


async def opted_out(world: World, caller: Caller | None = None) -> list[tuple[str, str | None, str]]:
    found = await opt_outs.page(world.ctx, (caller or world.caller).account)
    return [(one.number, one.sender, one.reason) for one in found]


async def owners(world: World) -> list[tuple[str | None, str | None]]:
    found = await messages.page(world.ctx)
    return [(one.account, one.sender) for one in reversed(found)]


async def wrote(world: World, caller: Caller, sender_id: int, number: str = NUMBER) -> int:
    """Send a message to a number from one of the account's senders, and return its id."""
    [message] = (await world.submit(number, caller=caller, sender_id=sender_id)).messages
    await world.deliver()
    return message.id


def in_world(story: Callable[[World], Awaitable[None]]) -> Callable[[World], None]:
    """Return a test that runs a story in a world."""

    def test(world: World) -> None:
        world.run(lambda: story(world))

    return test


@in_world
async def test_a_message_is_stored_with_all_reported_values(world: World) -> None:
    await with_code(world)
    sent_at = world.time.now() - DAY
    await report(world, Inbound("254712345678", CODE, "Is it open?", "mo-1", sent_at))
    [found] = await messages.page(world.ctx, with_text=True)
    assert found == messages.FoundInbound(
        id=1,
        public_id=found.public_id,
        account="shop",
        sender=CODE,
        provider="sim",
        ref="mo-1",
        number=NUMBER,
        recipient=CODE,
        text="Is it open?",
        action=None,
        sent_at=sent_at,
        received_at=world.time.now(),
        parts=1,
        missing_parts=(),
        updated_at=None,
    )
    assert await messages.find(world.ctx, found.public_id, with_text=True) == found
    assert (await messages.find(world.ctx, 1)).text is None
    with pytest.raises(NotFound, match="no inbound message 2"):
        await messages.find(world.ctx, 2)


@in_world
async def test_a_message_with_the_same_reference_of_a_provider_is_stored_once(world: World) -> None:
    await report(world, mo(ref="a"), mo(ref="a"), mo(ref="b"))
    await report(world, mo(ref="a"))
    await ingest.keep(world.ctx, "other", [mo(ref="a")])
    await report(world, mo(), mo())  # without a reference the second cannot be recognized
    kept = [(one.provider, one.ref) for one in reversed(await messages.page(world.ctx))]
    assert kept == [
        ("sim", "a"),
        ("sim", "b"),
        ("other", "a"),
        ("sim", None),
        ("sim", None),
    ]


@in_world
async def test_messages_in_a_providers_request_are_stored_and_counted_with_its_receipts(world: World) -> None:
    world.sim.read_receipt = lambda request: [  # type: ignore[method-assign]
        ReceiptReport(ref=request.body.decode(), reference=None, status=Status.RECEIVED),
        mo(ref="mo-1"),
    ]
    kept = await ingest.receive(world.ctx, "sim", ReceiptRequest("POST", {}, {}, b"r1"))
    assert kept.count == 2
    row = await world.one("SELECT (SELECT ref FROM receipts), (SELECT ref FROM inbound) AS inbound")
    assert row == ("r1", "mo-1")


@pytest.mark.parametrize("ref", ["a\x00", "a\ud800", "a" * 501], ids=["nul", "surrogate", "long"])
def test_a_reference_that_cannot_be_stored_is_refused_and_nothing_is_stored(world: World, ref: str) -> None:
    async def story() -> None:
        with pytest.raises(BadReceipt):
            await report(world, mo(ref="good"), mo(ref=ref))
        assert await messages.page(world.ctx) == []

    world.run(story)


@in_world
async def test_characters_that_cannot_be_stored_are_left_out_of_a_text(world: World) -> None:
    await report(world, mo("a\x00b\ud800" + "c" * 50_000, sender="\x00x"))
    [found] = await messages.page(world.ctx, with_text=True)
    assert (found.text or "").startswith("ab?ccc")
    assert (len(found.text or ""), found.number) == (39_999, "x")


@pytest.mark.parametrize(
    ("name", "recipient"),
    [
        (LONG_CODE, "254700000001"),
        (LONG_CODE, "+254 700 000 001"),
        ("254700000001", LONG_CODE),
        (CODE, CODE),
        (CODE, f"+{CODE}"),
        ("SHOP", "SHOP"),
    ],
)
def test_the_sender_is_found_in_any_spelling(world: World, name: str, recipient: str) -> None:
    async def story() -> None:
        if name != "SHOP":
            await with_code(world, code=name)
        await report(world, mo(to=recipient))
        assert await owners(world) == [("shop", name)]

    world.run(story)


@in_world
async def test_a_message_to_an_unknown_sender_is_stored_without_an_account(world: World) -> None:
    await report(world, mo("STOP", to="50505"))
    assert await owners(world) == [(None, None)]
    assert await opted_out(world) == []


@in_world
async def test_a_reply_to_a_shared_code_belongs_to_the_account_that_sent_last(world: World) -> None:
    other = await world.another_account("other")
    ours, theirs = await with_code(world), await with_code(world, other)
    await wrote(world, other, theirs)
    world.time.advance(timedelta(minutes=1))
    await wrote(world, world.caller, ours)
    world.time.advance(timedelta(minutes=1))
    await wrote(world, other, theirs, "+254712345679")  # to somebody else
    await wrote(world, other, (await world.one("SELECT id FROM senders WHERE name = 'OTHER'")).id)
    await report(world, mo("Hi"), mo("STOP"))
    assert await owners(world) == [("shop", CODE), ("shop", CODE)]
    assert await opted_out(world) == [(NUMBER, CODE, "STOP by SMS")]
    assert await opted_out(world, other) == []


@in_world
async def test_a_reply_to_a_shared_code_long_after_a_message_has_no_account(world: World) -> None:
    other = await world.another_account("other")
    ours = await with_code(world)
    await with_code(world, other)
    await world.submit(sender_id=ours, after=DAY)  # not gone out
    await report(world, mo())
    await wrote(world, world.caller, ours)
    world.time.advance(31 * DAY)
    await report(world, mo())
    assert await owners(world) == [(None, None), (None, None)]


@in_world
async def test_a_stop_to_a_shared_code_without_an_account_applies_to_all_accounts_that_share_it(
    world: World,
) -> None:
    other = await world.another_account("other")
    for caller in (world.caller, other):
        await with_code(world, caller)
    await report(world, mo("STOP"))
    for caller in (world.caller, other):
        assert await opted_out(world, caller) == [(NUMBER, CODE, "STOP by SMS")]
    await report(world, mo("START"))
    for caller in (world.caller, other):
        assert await opted_out(world, caller) == []


@in_world
async def test_start_removes_no_opt_out_that_stop_did_not_make(world: World) -> None:
    await with_code(world)
    await opt_outs.add(world.ctx, world.caller.account, [NUMBER], sender="SHOP", reason="asked")
    await opt_outs.add(world.ctx, world.caller.account, [NUMBER], reason="by letter")
    await report(world, mo("Arrêt"))
    assert len(await opted_out(world)) == 3
    await report(world, mo("start"))
    assert await opted_out(world) == [(NUMBER, "SHOP", "asked"), (NUMBER, None, "by letter")]


@pytest.mark.parametrize(("texts", "is_out"), [(("STOP", "START"), False), (("START", "STOP"), True)])
@pytest.mark.parametrize("was_out", [False, True])
def test_of_keywords_that_arrive_together_the_last_counts(
    world: World, texts: tuple[str, str], is_out: bool, was_out: bool
) -> None:
    async def story() -> None:
        await with_code(world)
        if was_out:
            await report(world, mo("STOP"))
        await report(world, *map(mo, texts))
        assert bool(await opted_out(world)) is is_out

    world.run(story)


@in_world
async def test_a_repeated_stop_does_not_undo_a_later_start(world: World) -> None:
    await with_code(world)
    for one in (mo("STOP", ref="a"), mo("START", ref="b"), mo("STOP", ref="a")):
        await report(world, one)
    assert await opted_out(world) == []


def test_the_keywords_of_the_settings_apply(settings: Settings) -> None:
    world = World(settings.model_copy(update={"keywords": {KeywordAction.STOP: ("GENUG",)}}))

    async def story() -> None:
        await with_code(world)
        await report(world, mo("STOP"))
        assert await opted_out(world) == []
        await report(world, mo("genug!"))
        assert await opted_out(world) == [(NUMBER, CODE, "STOP by SMS")]

    world.run(story)


@in_world
async def test_help_changes_nothing_and_is_marked(world: World) -> None:
    await with_code(world)
    await report(world, mo("HELP"))
    assert [one.action for one in await messages.page(world.ctx)] == [KeywordAction.HELP]
    assert await opted_out(world) == []


@in_world
async def test_a_number_that_sent_stop_is_refused_at_accept_and_before_sending(world: World) -> None:
    sender_id = await with_code(world)
    [waiting] = (await world.submit(sender_id=sender_id, after=timedelta(hours=1))).messages
    await report(world, mo("STOP"))
    [message] = (await world.submit(sender_id=sender_id)).messages
    assert message.status is Status.OPTED_OUT
    world.time.advance(timedelta(hours=1))
    await world.clock.release()
    await world.clock.fill()
    await world.deliver()
    assert (await world.row(waiting.id)).status == Status.OPTED_OUT
    [other] = (await world.submit()).messages  # from the default sender
    assert other.status is Status.PENDING
    assert world.sim.seen == []


def test_a_number_that_opts_out_while_its_message_is_queued_gets_no_message(world: World) -> None:
    one_call = ProviderConfig(name="sim", plugin="test", options={}, tps=10_000, max_connections=1)
    world.configs["sim"] = one_call
    world.run(lambda: _opts_out_in_line(world))


async def _opts_out_in_line(world: World) -> None:
    sender_id = await with_code(world)
    *others, last = [f"+25471234567{n}" for n in range(5)]

    async def opts_the_last_out(outgoing: Outgoing) -> Outcome:
        await report(world, mo("STOP", sender=last))
        return Accepted((outgoing.reference,))

    world.sim.answer = opts_the_last_out
    *_, stopped = (await world.submit([*others, last], sender_id=sender_id)).messages
    await world.deliver()
    assert [outgoing.to for outgoing in world.sim.seen] == others
    assert (await world.row(stopped.id)).place == Place.LANE
    world.time.advance(timedelta(seconds=31))
    await world.clock.requeue()
    await world.clock.fill()
    await world.deliver()
    assert (await world.row(stopped.id)).status == Status.OPTED_OUT


@in_world
async def test_an_opt_out_in_a_providers_answer_is_stored(world: World) -> None:
    world.sim.always(Rejected(Status.BLOCKED, "30004"))
    await world.submit("+254712345680")
    await world.deliver()
    assert await opted_out(world) == []
    world.sim.always(Rejected(Status.BLOCKED, "21610", opted_out=True))
    await world.submit([NUMBER, "+254712345679"])
    await world.deliver()
    assert await opted_out(world) == [
        (NUMBER, "SHOP", "reported by the provider"),
        ("+254712345679", "SHOP", "reported by the provider"),
    ]


@in_world
async def test_an_opt_out_in_a_receipt_is_stored_once(world: World) -> None:
    world.sim.always(Accepted(("r1",)))
    await world.submit()
    await world.deliver()
    failed = ReceiptReport("r1", None, Status.BLOCKED, "30004", opted_out=True)
    await report(world, ReceiptReport("r0", None, Status.BLOCKED, "of nobody", opted_out=True), failed)
    await ingest.match(world.ctx)
    assert await opted_out(world) == [(NUMBER, "SHOP", "reported by the provider")]
    await opt_outs.remove(world.ctx, world.caller.account, NUMBER, sender="SHOP")
    await report(world, failed)
    await ingest.match(world.ctx)
    assert await opted_out(world) == []


@in_world
async def test_receipts_without_opt_outs_opt_nobody_out(world: World) -> None:
    world.sim.always(Accepted(("r1",)))
    await world.submit()
    await world.deliver()
    await report(world, ReceiptReport("r1", None, Status.BLOCKED, "spam"))
    await ingest.match(world.ctx)
    assert await opted_out(world) == []


class Post:
    """A poster that records its requests."""

    def __init__(self) -> None:
        self.calls: list[CallbackRequest] = []

    async def post(self, call: CallbackRequest) -> CallbackReply:
        self.calls.append(call)
        return CallbackReply(200, "HTTP 200")

    async def close(self) -> None:
        pass


def callback_sender(world: World, post: Post) -> CallbackSender:
    def worded(came: InboundEvent) -> FormattedCallback:
        return FormattedCallback(
            {"text": came.text, "to": came.sender, "hook": came.webhook_id}, Signature.TIMESTAMPED
        )

    def signed(letter: SignedPayload) -> dict[str, str]:
        return {"id": letter.id}

    def never(_: object) -> FormattedCallback:
        raise AssertionError("no message moved")

    return CallbackSender(
        world.ctx,
        post,
        formatters={"test": never},
        inbound_formatters={"test": worded},
        signers={Signature.TIMESTAMPED: signed},
    )


async def hook(world: World, caller: Caller | None = None, **how: Any) -> None:
    await webhooks.register(world.ctx, caller or world.caller, id="w", url=URL, event="in", **how)


@in_world
async def test_a_message_is_sent_to_the_webhooks_of_its_account_that_subscribed(world: World) -> None:
    other = await world.another_account("other")
    await with_code(world)
    await hook(world, inbound=True)
    await hook(world, other, inbound=True)
    await webhooks.register(world.ctx, world.caller, id="sent", url=URL, event="sent", statuses=[Status.SENT])
    await report(world, mo("Hi", ref="a"), mo("nobody's", to="50505"))
    await report(world, mo("Hi", ref="a"))
    post = Post()
    assert await send_due(callback_sender(world, post)) == 1
    assert [json.loads(call.body) for call in post.calls] == [{"text": "Hi", "to": CODE, "hook": "w"}]
    row = await world.one("SELECT state, message_id, inbound_id FROM callbacks")
    assert row == ("delivered", None, 1)


@in_world
async def test_the_messages_of_a_period_are_sent_again_with_the_same_ids(world: World) -> None:
    await with_code(world)
    await hook(world, inbound=True)
    start = world.time.now()
    for text in ("one", "two"):
        await report(world, mo(text))
        world.time.advance(DAY)
    post, now = Post(), world.time.now()
    await send_due(callback_sender(world, post))
    await messages.replay(world.ctx, world.caller, since=start, until=start + DAY)
    await messages.replay(world.ctx, Caller(world.caller.account, "other"), since=start, until=now)
    await send_due(callback_sender(world, post))
    assert [json.loads(call.body)["text"] for call in post.calls] == ["one", "two", "one"]
    assert post.calls[0].headers["id"] == post.calls[2].headers["id"]


@in_world
async def test_more_than_a_thousand_messages_are_not_sent_again_at_once(world: World) -> None:
    await with_code(world)
    await hook(world, inbound=True)
    start = world.time.now()
    await report(world, *[mo() for _ in range(messages.MAX_REPLAYED)])
    await world.all("DELETE FROM callbacks")
    await messages.replay(world.ctx, world.caller, since=start, until=start + DAY)
    await report(world, mo())
    with pytest.raises(Invalid, match="1001 messages came in that period, at most 1000"):
        await messages.replay(world.ctx, world.caller, since=start, until=start + DAY)
    assert (await world.one("SELECT count(*) AS n FROM callbacks")).n == 1001


@in_world
async def test_messages_are_listed_by_account_and_number_the_newest_first(world: World) -> None:
    other = await world.another_account("other")
    await with_code(world)
    await with_code(world, other, "50505")
    await report(world, mo(), mo(to="50505"), mo(sender="+254712345679"), mo(to="60606"))

    async def ids(**wanted: Any) -> list[int]:
        return [one.id for one in await messages.page(world.ctx, **wanted)]

    assert await ids() == [4, 3, 2, 1]
    assert await ids(before=4, limit=2) == [3, 2]
    assert await ids(account=world.caller.account) == [3, 1]
    assert await ids(number=NUMBER) == [4, 2, 1]
    assert await ids(account=other.account, number="0712345678") == [2]
    with pytest.raises(Invalid):
        await ids(number="nobody")


@in_world
async def test_the_same_webhook_in_two_dialects_keeps_no_message_from_being_stored(world: World) -> None:
    await with_code(world)
    await hook(world, inbound=True)
    await world.all(  # as a version before this rule stored it
        "INSERT INTO webhooks (account_id, dialect, id, url, event, statuses, inbound)"
        " SELECT account_id, 'another', id, url, event, statuses, inbound FROM webhooks RETURNING id"
    )
    await report(world, mo("Hi", ref="a"))
    assert (await world.one("SELECT count(*) AS stored FROM inbound")).stored == 1
    assert (await world.one("SELECT count(*) AS calls FROM callbacks")).calls == 1


@in_world
async def test_a_webhook_of_another_dialect_with_the_same_id_and_url_is_refused(world: World) -> None:
    await hook(world, inbound=True)
    other = replace(world.caller, dialect="another")
    with pytest.raises(Conflict, match=f"the webhook 'w' of another API calls {URL} already"):
        await hook(world, other, inbound=True)
    await hook(world, other)  # it gets no messages from handsets, so that nothing is sent twice
    await hook(world, inbound=True)
    assert [one.inbound for one in await webhooks.every(world.ctx, other)] == [False]
