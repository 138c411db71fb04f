"""Delivery: what a worker does with a message, and which messages it must not touch."""

import asyncio
from datetime import timedelta

import pytest

from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Outcome,
    Outgoing,
    ProviderConfig,
    Rejected,
    Unknown,
    Unsent,
)
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.tier import Tier
from tests.world import ScriptedProvider, World

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def test_an_accepted_message_is_sent_and_waits_for_its_receipt(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        await world.deliver()
        row = await world.row(message.id)
        assert (row.status, row.place, row.provider, row.attempt) == (12, None, "sim", 1)
        assert row.wake_at == world.time.now() + timedelta(hours=72)
        assert await world.events(message.id) == [(11, "accepted"), (12, "accepted")]

    world.run(story)


def test_the_same_lane_entry_delivered_ten_times_sends_once(world: World) -> None:
    async def story() -> None:
        ids = [m.id for m in (await world.submit([f"+2547123456{n:02}" for n in range(20)])).messages]
        async with world.worker() as worker:
            await asyncio.gather(*(worker.deliver(ids) for _ in range(10)))
        assert len(world.sim.seen) == len({o.reference for o in world.sim.seen}) == 20

    world.run(story)


def test_a_backoff_is_not_skipped_by_a_second_lane_copy(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        world.sim.always(Deferred("busy", after=MINUTE))
        await world.deliver([message.id])
        world.sim.always(Accepted(("ref",)))
        await world.deliver([message.id])
        row = await world.row(message.id)
        assert (row.status, row.place, len(world.sim.seen)) == (11, Place.HELD, 1)
        assert row.wake_at >= world.time.now() + MINUTE
        world.time.at = row.wake_at
        await world.clock.release()
        await world.clock.fill()
        await world.deliver()
        assert (await world.row(message.id)).status == Status.SENT

    world.run(story)


async def _until_final(world: World, message_id: int, *, rounds: int = 50) -> None:
    for _ in range(rounds):
        row = await world.row(message_id)
        if row.place is None:
            return
        if row.place == Place.HELD:
            world.time.at = max(world.time.at, row.wake_at)
        await world.clock.expire()
        await world.clock.release()
        await world.clock.fill()
        await world.deliver()
    raise AssertionError(f"still {row.status} {row.place} after {rounds} rounds")


def test_ten_deferrals_end_a_message_as_39_without_a_refund(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        world.sim.always(Deferred("busy"))
        await _until_final(world, message.id)
        row = await world.row(message.id)
        assert (row.status, row.deferrals, len(world.sim.seen)) == (39, 10, 10)
        assert "10 times" in row.reason
        assert await world.balance() == 9_999

    world.run(story)


def test_a_message_that_was_never_sent_ends_as_27_and_is_refunded(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit(until=5 * MINUTE)).messages
        world.sim.always(Unsent("connection refused"))
        await _until_final(world, message.id)
        row = await world.row(message.id)
        assert row.status == Status.EXPIRED
        assert "connection refused" in row.reason
        assert await world.balance() == 10_000

    world.run(story)


def test_a_refusal_is_final_and_not_refunded(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        world.sim.always(Rejected(Status.INVALID_NUMBER, "no such number"))
        await world.deliver()
        assert await world.events(message.id) == [(11, "accepted"), (30, "no such number")]
        assert await world.balance() == 9_999

    world.run(story)


@pytest.mark.parametrize(("tier", "sent"), [(Tier.CRITICAL, 4), (Tier.STANDARD, 4), (Tier.BULK, 1)])
def test_messages_in_doubt_are_sent_again_if_critical_or_standard_and_not_if_bulk(
    world: World, tier: Tier, sent: int
) -> None:
    async def story() -> None:
        [message] = (await world.submit(tier=tier)).messages
        world.sim.always(Unknown("no answer"))
        await _until_final(world, message.id)
        row = await world.row(message.id)
        assert (row.status, row.doubts, len(world.sim.seen)) == (39, sent, sent)
        assert len({o.reference for o in world.sim.seen}) == 1
        assert await world.balance() == 9_999

    world.run(story)


def test_a_plug_in_that_crashes_leaves_only_its_message_in_doubt(world: World) -> None:
    async def crash(outgoing: Outgoing) -> Outcome:
        if outgoing.to.endswith("1"):
            raise ValueError("bug")
        return Accepted((outgoing.reference,))

    async def story() -> None:
        bad, good = (await world.submit(["+254712345671", "+254712345672"], tier=Tier.BULK)).messages
        world.sim.answer = crash
        await world.deliver()
        assert (await world.row(bad.id)).status == Status.GAVE_UP
        assert "crashed: ValueError" in (await world.row(bad.id)).reason
        await world.ctx.background.failures.write()
        [failure] = await world.ctx.background.failures.recent() or ()
        assert str(failure).startswith("plug-in of sim of test has failed once: ValueError at ")
        assert (await world.row(good.id)).status == Status.SENT

    world.run(story)


def test_the_next_provider_gets_a_message_that_was_certainly_not_sent(world: World) -> None:
    world.providers["second"] = ScriptedProvider()

    async def story() -> None:
        [message] = (await world.submit()).messages
        world.sim.always(Unsent("connection refused"))
        await world.deliver()
        row = await world.row(message.id)
        assert (row.status, row.provider, row.attempt) == (12, "second", 1)

    world.run(story)


def test_the_next_provider_does_not_get_a_message_that_may_have_been_sent(world: World) -> None:
    world.providers["second"] = second = ScriptedProvider()

    async def story() -> None:
        await world.submit()
        world.sim.always(Unknown("no answer"))
        await world.deliver()
        assert second.seen == []

    world.run(story)


@pytest.mark.parametrize(
    "answer", [Accepted(("ref",)), Rejected(Status.FAILED, "no"), Unknown("no answer")], ids=str
)
def test_a_failover_ends_with_the_first_answer_or_doubt(world: World, answer: Outcome) -> None:
    world.providers["second"], world.providers["third"] = ScriptedProvider(), ScriptedProvider()

    async def story() -> None:
        await world.submit()
        world.sim.always(Unsent("connection refused"))
        world.providers["second"].always(answer)
        await world.deliver()
        assert len(world.providers["second"].seen) == 1
        assert world.providers["third"].seen == []

    world.run(story)


async def _release(world: World, *, ahead: timedelta) -> None:
    """Release what is due, as a process does whose clock is ahead."""
    world.time.advance(ahead)
    await world.clock.release()
    await world.clock.fill()
    world.time.advance(-ahead)


def test_a_message_that_was_released_too_early_is_not_sent_before_its_window(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit(after=MINUTE)).messages
        world.time.advance(MINUTE - SECOND)
        await _release(world, ahead=SECOND)
        await world.deliver()
        row = await world.row(message.id)
        assert (row.status, row.place, row.attempt, world.sim.seen) == (11, Place.HELD, 1, [])
        world.time.at = max(row.wake_at, row.not_before)
        await world.clock.release()
        await world.deliver()
        assert (await world.row(message.id)).status == Status.SENT

    world.run(story)


@pytest.mark.parametrize("at", [MINUTE + SECOND, 2 * MINUTE - SECOND], ids=["its start", "its end"])
def test_a_message_is_not_sent_while_the_clock_may_be_wrong_about_its_window(
    world: World, at: timedelta
) -> None:
    async def story() -> None:
        await world.submit(after=MINUTE, until=2 * MINUTE)
        world.time.advance(at)
        await world.clock.release()
        world.time.uncertainty = 2 * SECOND
        await world.deliver()
        assert world.sim.seen == []

    world.run(story)


def test_a_message_whose_window_ended_in_the_lane_is_not_sent(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit(until=MINUTE)).messages
        world.time.advance(MINUTE)
        await world.deliver()
        assert world.sim.seen == []
        await world.clock.expire()
        assert (await world.row(message.id)).status == Status.EXPIRED

    world.run(story)


def test_no_call_is_made_too_close_to_the_end_of_the_lease(world: World) -> None:
    world.settings = world.settings.model_copy(update={"lease": 4})  # a call may take 5 seconds

    async def story() -> None:
        [message] = (await world.submit()).messages
        await world.deliver()
        assert world.sim.seen == []
        assert (await world.row(message.id)).place == Place.HELD

    world.run(story)


def test_a_worker_that_stops_makes_unclaimed_messages_ready(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        async with world.worker() as worker:
            worker.close()
            await worker.deliver([message.id])
        row = await world.row(message.id)
        assert (row.place, row.attempt, world.sim.seen) == (Place.READY, 0, [])

    world.run(story)


def test_messages_of_a_disabled_sender_end_as_24_with_a_refund(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        await world.all("UPDATE senders SET disabled_at = now()")
        await world.deliver()
        assert (await world.row(message.id)).status == Status.INVALID_SENDER
        assert await world.balance() == 10_000

    world.run(story)


def test_a_provider_that_hangs_holds_no_more_than_its_slots(world: World) -> None:
    world.configs["sim"] = ProviderConfig(
        name="sim", plugin="test", options={}, tps=100, call_timeout=timedelta(seconds=0.3)
    )

    async def hang(_: Outgoing) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def story() -> None:
        ids = [m.id for m in (await world.submit([f"+2547123456{n:02}" for n in range(24)])).messages]
        world.sim.answer = hang
        async with world.worker() as worker:
            work = asyncio.create_task(worker.deliver(ids))
            await asyncio.sleep(0.25)
            assert worker.limits["sim"].in_use <= worker.limits["sim"].slots < 24
            await work
        in_doubt = await world.all("SELECT 1 FROM messages WHERE doubts = 1")
        assert 0 < len(in_doubt) == len(world.sim.seen)

    world.run(story)
