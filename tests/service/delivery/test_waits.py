"""What a message waited for is kept as it happens: by kind and detail, from its start to its end."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from dispatcher.domain.delivery.message import Attempt, DecidedAttempt
from dispatcher.domain.delivery.provider import Accepted, Deferred, ReceiptReport, Unknown
from dispatcher.domain.hours.allowed_hours import parse_hours
from dispatcher.domain.messages.edit import Reschedule, Selection
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.waits import MOST_KEPT, Wait, WaitKind
from dispatcher.domain.routing.provider_state import Override
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts.hours import set as set_hours
from dispatcher.service.delivery import recorder
from dispatcher.service.delivery.recorder import Recorder
from dispatcher.service.messages import edits, search
from dispatcher.service.messages.explain import explain
from dispatcher.service.receipts import ingest
from dispatcher.service.routing import providers
from dispatcher.store.delivery import claims
from dispatcher.store.delivery.claims import HeldMessage, MessageVersion, WorkerWait
from tests.world import World

SECOND = timedelta(seconds=1)
SHORT = timedelta(seconds=0.9)
HOUR = timedelta(hours=1)


async def waits(world: World, message_id: int) -> Sequence[Wait]:
    return (await search.history(world.ctx, message_id)).waits


async def short_waits(world: World, message_id: int) -> list[tuple[WaitKind, str, float]]:
    """Return the kind, the detail and the seconds of each wait."""
    found = await waits(world, message_id)
    return [(w.kind, w.detail, (w.until - w.since).total_seconds()) for w in found if w.until]


async def explained(world: World, message_id: int) -> str:
    history = await search.history(world.ctx, message_id)
    return " ".join(explain(history, now=world.time.now(), consumed={}))


async def go_on(world: World) -> None:
    """Let the clock and a worker do what is due now."""
    await world.clock.release()
    await world.clock.fill()
    await world.deliver()


def test_a_wait_for_a_paused_provider_says_who_paused_it_and_why(world: World) -> None:
    async def story() -> None:
        await providers.set_override(world.ctx, "sim", Override.PAUSED, reason="unpaid bill", by="root")
        [message] = (await world.submit()).messages
        await world.deliver()
        since = world.time.now()
        assert "sim is paused by root (unpaid bill)" in await explained(world, message.id)
        world.time.advance(58 * SECOND)
        await providers.set_override(world.ctx, "sim", Override.NONE, by="root")
        await go_on(world)
        [wait] = await waits(world, message.id)
        assert wait == Wait(WaitKind.PROVIDER, "sim paused by root (unpaid bill)", since, since + 58 * SECOND)
        assert "It waited 58 s: sim was paused by root (unpaid bill)." in await explained(world, message.id)

    world.run(story)


def test_a_provider_that_is_still_paused_when_it_is_looked_at_again_is_one_wait(world: World) -> None:
    async def story() -> None:
        await providers.set_override(world.ctx, "sim", Override.PAUSED, by="root")
        [message] = (await world.submit(until=2 * HOUR)).messages
        await world.deliver()
        since = world.time.now()
        for _ in range(3):
            world.time.at = (await world.row(message.id)).wake_at
            await go_on(world)
        lasted = (world.time.now() - since).total_seconds()
        assert await waits(world, message.id) == []
        await providers.set_override(world.ctx, "sim", Override.NONE, by="root")
        await go_on(world)
        [(kind, _, seconds)] = await short_waits(world, message.id)
        assert (kind, seconds) == (WaitKind.PROVIDER, lasted)
        assert lasted > 900

    world.run(story)


def test_a_message_that_does_not_wait_for_a_second_has_no_wait(world: World) -> None:
    async def story() -> None:
        later = (await world.submit(after=HOUR)).messages[0].id
        [message] = (await world.submit()).messages
        world.time.advance(SHORT)
        await world.deliver()
        world.time.advance(HOUR - SHORT)
        await go_on(world)
        for message_id in (message.id, later):
            assert (await world.row(message_id)).status == Status.SENT
            assert (await world.row(message_id)).waits is None
        assert (
            await world.all("SELECT 1 FROM messages WHERE wait_kind IS NOT NULL OR waits_for IS NOT NULL")
            == []
        )

    world.run(story)


def test_each_place_on_the_way_is_a_wait_of_its_own(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit(after=HOUR)).messages
        world.time.advance(HOUR + 2 * SECOND)  # the clock is late
        await world.all("UPDATE messages SET flow = 1 RETURNING id")  # it is not released into its lane
        await world.clock.release()
        world.time.advance(3 * SECOND)
        await world.clock.fill()
        world.time.advance(4 * SECOND)
        await world.deliver()
        assert await short_waits(world, message.id) == [
            (WaitKind.TURN, "", 2),
            (WaitKind.ROOM, "", 3),
            (WaitKind.WORKER, "", 4),
        ]

    world.run(story)


def test_a_lane_that_nobody_reads_is_a_wait_for_a_worker(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        world.lanes.take()  # lost
        world.time.advance(31 * SECOND)
        await world.clock.requeue()
        await go_on(world)
        assert await short_waits(world, message.id) == [(WaitKind.WORKER, "", 31)]
        assert "no worker was free to take it from the lane standard" in await explained(world, message.id)

    world.run(story)


def test_a_wait_for_the_next_try_names_the_try_and_its_result(world: World) -> None:
    async def story() -> None:
        world.sim.always(Deferred("busy", after=20 * SECOND))
        [message] = (await world.submit()).messages
        await world.deliver()
        world.sim.answer = None
        row = await world.row(message.id)
        world.time.at = row.wake_at
        await go_on(world)
        [(kind, detail, _)] = await short_waits(world, message.id)
        assert (kind, detail) == (WaitKind.RETRY, "1")
        assert ": try 1 through sim ended with: busy." in await explained(world, message.id)

    world.run(story)


def test_a_wait_for_allowed_hours_is_kept_when_they_are_found_closed_at_accept(world: World) -> None:
    async def story() -> None:
        world.time.at = datetime(2030, 1, 7, 2, 0, tzinfo=UTC)  # five o'clock in Nairobi
        hours = parse_hours({"mon-sun": ["08:00-20:00"]})
        await set_hours(world.ctx, world.caller.account, [Tier.STANDARD], hours)
        [message] = (await world.submit(until=24 * HOUR)).messages
        since = world.time.now()
        world.time.at = (await world.row(message.id)).wake_at
        await go_on(world)
        assert await waits(world, message.id) == [Wait(WaitKind.HOURS, "", since, since + 3 * HOUR)]

    world.run(story)


def test_a_wait_in_the_worker_is_for_what_it_waited_for_there(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        world.time.advance(2 * SECOND)
        read = MessageVersion(message.id, 1)
        now = world.time.now() + 3 * SECOND
        wait = WorkerWait(WaitKind.SLOT, world.time.now())
        assert await world.ctx.database.transact(
            lambda c: claims.claim(
                c, [read], provider="sim", now=now, lease_end=now + HOUR, waits={read: wait}
            )
        )
        assert await short_waits(world, message.id) == [
            (WaitKind.WORKER, "", 2),
            (WaitKind.SLOT, "sim", 3),
        ]

    world.run(story)


def test_a_hold_for_a_token_began_when_the_worker_asked_for_it(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        since = world.time.now()
        world.time.advance(6 * SECOND)
        held = HeldMessage(message.id, world.time.now() + SECOND, WaitKind.TOKEN, "sim", since)
        await world.ctx.database.transact(lambda c: claims.hold(c, [held]))
        world.time.advance(SECOND)
        await go_on(world)
        assert await short_waits(world, message.id) == [(WaitKind.TOKEN, "sim", 7)]

    world.run(story)


def test_a_new_time_is_no_wait_and_ends_the_one_before(world: World) -> None:
    async def story() -> None:
        await providers.set_override(world.ctx, "sim", Override.PAUSED, by="root")
        [message] = (await world.submit(until=2 * HOUR)).messages
        await world.deliver()
        world.time.advance(5 * SECOND)
        selection = Selection(world.caller.account, message=message.id)
        await edits.edit(world.ctx, selection, Reschedule(not_before=world.time.now() + HOUR))
        await providers.set_override(world.ctx, "sim", Override.NONE, by="root")
        world.time.advance(HOUR)
        await go_on(world)
        assert (await world.row(message.id)).status == Status.SENT
        assert await short_waits(world, message.id) == [(WaitKind.PROVIDER, "sim paused by root", 5)]

    world.run(story)


@pytest.mark.parametrize("place", ["held", "ready", "lane"])
def test_a_message_that_expires_keeps_its_last_wait(world: World, place: str) -> None:
    async def story() -> None:
        if place == "held":
            await providers.set_override(world.ctx, "sim", Override.DRAINED, by="ann", confirmed=True)
            await providers.set_override(world.ctx, "sim", Override.PAUSED, by="ann")
        [message] = (await world.submit(until=60 * SECOND)).messages
        if place == "held":
            await world.deliver()
        elif place == "ready":
            await world.ctx.database.single(
                lambda c: claims.return_to_ready(c, [message.id], now=world.time.now())
            )
        world.time.advance(60 * SECOND)
        await world.clock.expire()
        kind = {"held": WaitKind.PROVIDER, "ready": WaitKind.ROOM, "lane": WaitKind.WORKER}[place]
        [(found, _, seconds)] = await short_waits(world, message.id)
        assert (found, seconds) == (kind, 60)

    world.run(story)


def test_only_the_latest_waits_are_kept(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit(until=24 * HOUR)).messages
        for number in range(MOST_KEPT + 7):
            now = world.time.now()
            held = HeldMessage(message.id, now + 2 * SECOND, WaitKind.TOKEN, f"p{number}", now)
            await world.ctx.database.transact(lambda c, held=held: claims.hold(c, [held]))  # type: ignore[misc]
            world.time.advance(2 * SECOND)
            await world.clock.release()
        kept = await waits(world, message.id)
        assert [wait.detail for wait in kept] == [f"p{number}" for number in range(7, MOST_KEPT + 7)]

    world.run(story)


def test_a_clock_that_is_late_each_time_adds_no_more_waits_than_are_kept(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit(until=24 * HOUR)).messages
        for _ in range(MOST_KEPT):
            now = world.time.now()
            held = HeldMessage(message.id, now + 5 * SECOND, WaitKind.TOKEN, "sim", now)
            await world.ctx.database.transact(lambda c, held=held: claims.hold(c, [held]))  # type: ignore[misc]
            world.time.advance(7 * SECOND)
            await world.clock.release()
        kept = await waits(world, message.id)
        assert [wait.kind for wait in kept] == [WaitKind.TOKEN, WaitKind.TURN] * (MOST_KEPT // 2)

    world.run(story)


def test_a_receipt_ends_the_wait_of_a_message_in_doubt(world: World) -> None:
    async def story() -> None:
        world.sim.always(Unknown("no answer"))
        [message] = (await world.submit()).messages
        await world.deliver()
        world.time.advance(SECOND)
        report = ReceiptReport(None, str(message.public_id), Status.RECEIVED)
        await ingest.keep(world.ctx, "sim", [report])
        await ingest.match(world.ctx)
        row = await world.row(message.id)
        assert (row.status, row.wait_kind, row.waits_for, row.wait_since) == (13, None, None, None)
        assert await short_waits(world, message.id) == [(WaitKind.RETRY, "1", 1)]

    world.run(story)


def test_a_late_outcome_ends_the_wait_for_the_next_try(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        attempt = await world.claim(message.id)
        for _ in range(2):
            world.time.advance(30 * SECOND)
            await world.clock.rescue()
        since = (await world.row(message.id)).wait_since
        world.time.advance(SECOND)
        ended = Attempt(
            message_id=message.id, attempt=attempt, tier=Tier.STANDARD, not_after=world.time.now() + HOUR,
            deferrals=0, doubts=0, provider="sim", outcome=Accepted(("r",)),
        )  # fmt: skip
        verdict = Recorder(world.ctx).put(ended)
        await recorder.write(world.ctx, [DecidedAttempt(ended, verdict)])
        row = await world.row(message.id)
        assert (row.status, row.wait_kind, row.waits_for, row.wait_since) == (12, None, None, None)
        lasted = (world.time.now() - since).total_seconds()
        assert (await short_waits(world, message.id))[-1] == (WaitKind.RETRY, "1", lasted)

    world.run(story)


@pytest.mark.parametrize("ends", ["held", "claimed"])
def test_a_wait_in_a_worker_does_not_overlap_those_of_a_message_that_was_requeued(
    world: World, ends: str
) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        since = world.time.now() + SECOND
        world.time.advance(31 * SECOND)  # in the worker's queue
        await world.clock.requeue()
        world.time.advance(4 * SECOND)
        await world.clock.fill()
        world.time.advance(2 * SECOND)
        now = world.time.now()
        if ends == "held":
            held = HeldMessage(message.id, now + HOUR, WaitKind.TOKEN, "sim", since)
            await world.ctx.database.transact(lambda c: claims.hold(c, [held]))
            world.time.advance(HOUR)
            await world.clock.release()
        else:
            read = MessageVersion(message.id, (await world.row(message.id)).seq)
            wait = {read: WorkerWait(WaitKind.TOKEN, since)}
            await world.ctx.database.single(
                lambda c: claims.claim(c, [read], provider="sim", now=now, lease_end=now + SECOND, waits=wait)
            )
        kept = await waits(world, message.id)
        assert [wait.kind for wait in kept] == [WaitKind.WORKER, WaitKind.ROOM, WaitKind.TOKEN]
        for before, after in pairwise(kept):
            assert before.until is not None
            assert before.until <= after.since

    world.run(story)
