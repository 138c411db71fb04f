"""Parts of inbound messages are joined, whichever process they come to, and none is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from dispatcher.domain.callbacks.callback import CallbackReply, CallbackRequest
from dispatcher.domain.callbacks.events import InboundEvent, MessageEvent
from dispatcher.domain.delivery.inbound_part import InboundPart
from dispatcher.domain.delivery.provider import Inbound, ReceiptReport
from dispatcher.domain.errors import BadReceipt
from dispatcher.domain.inbound.keywords import KeywordAction
from dispatcher.domain.messages.alphabets import GSM7, UTF16
from dispatcher.domain.messages.status import Status
from dispatcher.service.accounts import accounts, opt_outs
from dispatcher.service.callbacks import webhooks
from dispatcher.service.callbacks.sender import CallbackSender, FormattedCallback, Signature
from dispatcher.service.inbound import joining, messages
from dispatcher.service.inbound.messages import FoundInbound
from dispatcher.service.receipts import ingest
from tests.service.callbacks.callback_sending import send_due
from tests.world import NUMBER, World

CODE = "40404"
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
JOIN = 10 * SECOND


def part(
    number: int,
    content: str | bytes,
    *,
    total: int = 2,
    reference: str = "7",
    alphabet: str = GSM7,
    sender: str = NUMBER,
    to: str = CODE,
    ref: str | None = None,
) -> InboundPart:
    octets = content.encode() if isinstance(content, str) else content
    return InboundPart(sender, to, reference, total, number, octets, alphabet, ref, join=JOIN)


async def report(world: World, *parts: InboundPart, provider: str = "sim") -> None:
    """Report the parts one after the other, each as a request of its own."""
    for one in parts:
        await ingest.keep(world.ctx, provider, [one])


async def stored(world: World) -> list[FoundInbound]:
    return list(reversed(await messages.page(world.ctx, with_text=True)))


async def texts(world: World) -> list[str | None]:
    return [one.text for one in await stored(world)]


async def opted_out(world: World) -> list[str]:
    return [one.number for one in await opt_outs.page(world.ctx, world.caller.account)]


async def wait(world: World, time: timedelta = JOIN) -> None:
    world.time.advance(time)
    await world.clock.tick()


class Webhook:
    """The URL of the account, and the events that it was called with."""

    def __init__(self) -> None:
        self.heard: list[InboundEvent] = []

    def sender(self, world: World) -> CallbackSender:
        return CallbackSender(
            world.ctx,
            self,
            formatters={"test": lambda event: self.refuse(event)},
            inbound_formatters={"test": self.word},
            signers={Signature.TIMESTAMPED: lambda payload: {}},
        )

    def word(self, event: InboundEvent) -> FormattedCallback:
        self.heard.append(event)
        return FormattedCallback({}, Signature.TIMESTAMPED)

    def refuse(self, event: MessageEvent) -> FormattedCallback:
        raise AssertionError(f"no message was sent: {event}")

    async def post(self, call: CallbackRequest) -> CallbackReply:
        return CallbackReply(200, "HTTP 200")

    async def close(self) -> None:
        pass


def in_world(story: Callable[[World], Awaitable[None]]) -> Callable[[World], None]:
    """Return a test that runs a story in a world whose account has the code."""

    def test(world: World) -> None:
        async def work() -> None:
            await accounts.add_sender(world.ctx, world.caller.account, CODE)
            await story(world)

        world.run(work)

    return test


@in_world
async def test_parts_are_joined_in_any_order_and_repeated_ones_once(world: World) -> None:
    pieces = [part(n, text, total=3) for n, text in ((1, "a"), (2, "b"), (3, "c"))]
    for number, order in enumerate(permutations(pieces)):
        parts = [replace(one, reference=str(number)) for one in order]
        await report(world, *parts[:2], *parts)
    assert await texts(world) == ["abc"] * 6
    assert {(one.parts, one.missing_parts) for one in await stored(world)} == {(3, ())}


@in_world
async def test_parts_that_two_processes_get_at_the_same_moment_are_one_message(world: World) -> None:
    other = replace(world.ctx)  # its batchers are its own, as another process's are
    for reference in range(20):
        one, two = (part(n, str(n), reference=str(reference)) for n in (1, 2))
        await asyncio.gather(
            ingest.keep(world.ctx, "sim", [one]),
            ingest.keep(other, "sim", [two]),
            ingest.keep(world.ctx, "sim", [two]),
            ingest.keep(other, "sim", [one]),
        )
    assert await texts(world) == ["12"] * 20


@in_world
async def test_parts_of_one_request_are_joined(world: World) -> None:
    await ingest.keep(
        world.ctx,
        "sim",
        [
            part(2, "b"),
            ReceiptReport("r", None, Status.RECEIVED),
            part(1, "a"),
            Inbound(NUMBER, CODE, "whole"),
        ],
    )
    assert await texts(world) == ["ab", "whole"]


OTHERS = {
    "reference": part(2, "b", reference="8"),
    "total": part(2, "b", total=3),
    "handset": part(2, "b", sender="+254712345679"),
    "recipient": part(2, "b", to="50505"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_parts_that_differ_in_what_parts_have_in_common_are_not_joined(
    world: World, other: InboundPart
) -> None:
    async def story() -> None:
        await report(world, part(1, "a"), other)
        assert await texts(world) == []

    world.run(story)


@in_world
async def test_parts_of_two_providers_are_not_joined(world: World) -> None:
    await report(world, part(1, "a"))
    await report(world, part(2, "b"), provider="other")
    assert await texts(world) == []


@in_world
async def test_a_handsets_number_may_be_written_differently_in_each_part(world: World) -> None:
    await report(world, part(1, "a"), part(2, "b", sender=NUMBER.removeprefix("+")))
    assert await texts(world) == ["ab"]


@in_world
async def test_a_character_that_is_cut_between_two_parts_is_whole(world: World) -> None:
    emoji = "a😀я".encode("utf-16-be")
    for number, cut in enumerate(range(1, len(emoji))):
        reference = str(number)
        pieces = ((1, emoji[:cut]), (2, emoji[cut:]))
        await report(world, *(part(n, octets, alphabet=UTF16, reference=reference) for n, octets in pieces))
    await report(world, part(1, b"5 \x1b"), part(2, b"\x65 \x1b\x3c"))
    assert await texts(world) == ["a😀я"] * (len(emoji) - 1) + ["5 € ["]


@in_world
async def test_a_text_of_255_parts_is_whole(world: World) -> None:
    pieces = [part(n, chr(97 + n % 26) * 153, total=255) for n in range(1, 256)]
    await ingest.keep(world.ctx, "sim", pieces)
    assert await texts(world) == ["".join(one.octets.decode() for one in pieces)]


@in_world
async def test_keywords_are_judged_on_the_joined_text(world: World) -> None:
    stop = "СТОП".encode("utf-16-be")
    await report(world, part(1, "please "), part(2, "stop"))
    assert await opted_out(world) == []
    await report(
        world, *(part(n, o, alphabet=UTF16, reference="8") for n, o in ((1, stop[:3]), (2, stop[3:])))
    )
    assert await opted_out(world) == [NUMBER]
    assert [one.action for one in await stored(world)] == [None, KeywordAction.STOP]


@in_world
async def test_an_incomplete_message_is_stored_after_a_while_and_says_what_is_missing(world: World) -> None:
    await report(world, part(3, "c", total=3), part(1, "a", total=3))
    await wait(world, JOIN - SECOND)
    assert await texts(world) == []
    await wait(world, SECOND)
    await wait(world)
    [found] = await stored(world)
    assert (found.text, found.parts, found.missing_parts) == ("ac", 3, (2,))
    assert (found.account, found.updated_at) == ("shop", None)


@in_world
async def test_an_incomplete_text_is_no_keyword_until_it_is_whole(world: World) -> None:
    await report(world, part(1, "stop"))
    await wait(world)
    assert [one.action for one in await stored(world)] == [None]
    assert await opted_out(world) == []
    await report(world, part(2, "!"))
    assert [one.action for one in await stored(world)] == [KeywordAction.STOP]
    assert await opted_out(world) == [NUMBER]


@in_world
async def test_a_late_part_is_kept_with_its_message_and_webhooks_are_called_again(world: World) -> None:
    url = "https://shop.example/in"
    await webhooks.register(world.ctx, world.caller, id="crm", url=url, event="in", inbound=True)
    webhook = Webhook()
    sender = webhook.sender(world)
    await report(world, part(1, "a", total=3))
    await wait(world)
    await send_due(sender)
    await wait(world, 5 * SECOND)
    await report(world, part(3, "c", total=3))
    await send_due(sender)
    await report(world, part(3, "c", total=3))  # repeated: nothing new
    await report(world, part(2, "b", total=3))
    await send_due(sender)
    assert [(one.seq, one.text, one.missing_parts) for one in webhook.heard] == [
        (1, "a", (2, 3)),
        (2, "ac", (2,)),
        (3, "abc", ()),
    ]
    assert len({one.id for one in webhook.heard}) == 1
    [found] = await stored(world)
    assert (found.text, found.missing_parts, found.updated_at) == ("abc", (), world.time.now())


@in_world
async def test_a_reference_that_comes_again_begins_another_message(world: World) -> None:
    await report(world, part(1, "a"), part(2, "b"))
    await report(world, part(1, "x"), part(2, "y"))  # a handset that uses one reference for all
    await wait(world, HOUR)
    await report(world, part(1, "a"), part(2, "b"))  # the same text again, an hour later
    assert await texts(world) == ["ab", "xy", "ab"]


@in_world
async def test_a_late_part_of_another_time_is_a_message_of_its_own(world: World) -> None:
    await report(world, part(1, "a"))
    await wait(world)
    await wait(world, HOUR)
    await report(world, part(2, "z"))
    await wait(world)
    assert await texts(world) == ["a", "z"]
    assert [one.missing_parts for one in await stored(world)] == [(2,), (1,)]


@in_world
async def test_a_part_with_the_providers_reference_is_recognized_a_day_long(world: World) -> None:
    await report(world, part(1, "a", ref="r1"), part(2, "b", ref="r2"))
    await wait(world, 23 * HOUR)
    await report(world, part(2, "b", ref="r2"), part(1, "a", ref="r1"))
    await wait(world)
    [found] = await stored(world)
    assert (found.text, found.ref) == ("ab", "r1")


@in_world
async def test_parts_may_all_have_the_reference_of_their_message(world: World) -> None:
    for reference in ("7", "8"):
        await report(world, *(part(n, str(n), ref="same", reference=reference) for n in (1, 2)))
    assert [(one.text, one.ref) for one in await stored(world)] == [("12", "same"), ("12", None)]


@pytest.mark.parametrize("bad", [{"ref": "a\x00"}, {"reference": "\ud800"}, {"ref": "a" * 501}])
def test_a_reference_that_cannot_be_stored_is_refused_and_nothing_is_stored(
    world: World, bad: dict[str, str]
) -> None:
    async def story() -> None:
        with pytest.raises(BadReceipt):
            await ingest.keep(world.ctx, "sim", [part(1, "a"), part(2, "b", **bad)])  # type: ignore[arg-type]
        assert await world.all("SELECT 1 FROM inbound_parts") == []

    world.run(story)


@in_world
async def test_the_clock_ends_waiting_messages_in_bounded_batches(world: World) -> None:
    parts = [part(1, "x", reference=str(n)) for n in range(1200)]
    await ingest.keep(world.ctx, "sim", parts)
    world.time.advance(JOIN)
    first = await world.ctx.database.transact(
        lambda c: joining.store_incomplete(world.ctx, c, now=world.time.now(), limit=500)
    )
    assert first == 500
    assert await world.clock.join() == 700
    assert len(await world.all("SELECT 1 FROM inbound")) == 1200
    assert await world.clock.join() == 0


@in_world
async def test_parts_are_deleted_a_day_after_they_were_joined_and_not_before(world: World) -> None:
    await report(world, part(1, "a"), part(2, "b"))
    await report(world, part(1, "c", reference="8"))
    world.time.advance(25 * HOUR)
    await world.clock.forget()
    assert [bytes(row.octets) for row in await world.all("SELECT octets FROM inbound_parts")] == [b"c"]
    assert await texts(world) == ["ab"]
