"""Two processes work on one message: the later one must not undo, repeat or lose a change."""

import asyncio
from datetime import timedelta

from dispatcher.domain.delivery.message import Attempt
from dispatcher.domain.delivery.provider import Accepted, Outcome, Outgoing, Rejected, Unsent
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.tier import Tier
from dispatcher.service.clock.sweeps import Clock
from dispatcher.service.messages import withdraw
from tests.world import World

LEASE = timedelta(seconds=30)
HOUR = timedelta(hours=1)


def _ended(message_id: int, attempt: int, outcome: Outcome, world: World) -> Attempt:
    return Attempt(
        message_id=message_id,
        attempt=attempt,
        tier=Tier.STANDARD,
        not_after=world.time.now() + HOUR,
        deferrals=0,
        doubts=0,
        provider="sim",
        outcome=outcome,
    )


async def _rescue(world: World) -> int:
    """Run rescue as if the clock and Postgres had been up for longer than a lease."""
    rescued = 0
    for _ in range(2):
        world.time.advance(LEASE)
        rescued += await world.clock.rescue()
    return rescued


def test_a_message_with_an_open_call_does_not_expire(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit(until=timedelta(seconds=10))).messages
        await world.claim(message.id)
        world.time.advance(timedelta(seconds=20))
        assert await world.clock.expire() == 0
        assert (await world.row(message.id)).place == Place.WORKER

    world.run(story)


def test_a_cancellation_is_refused_while_the_call_is_open(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        await world.claim(message.id)
        assert not await withdraw.one(world.ctx, world.caller, message.id)
        assert (await world.row(message.id)).status == Status.PENDING

    world.run(story)


def test_a_cancellation_is_refused_when_the_message_may_have_been_sent(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        await world.claim(message.id)
        await _rescue(world)
        assert (await world.row(message.id)).place == Place.HELD
        assert not await withdraw.one(world.ctx, world.caller, message.id)

    world.run(story)


def test_a_concurrent_cancellation_and_claim_never_both_succeed(world: World) -> None:
    async def story() -> None:
        numbers = [f"+2547123456{n:02}" for n in range(40)]
        batch = await world.submit(numbers)
        withdrawn, _ = await asyncio.gather(
            withdraw.batch(world.ctx, world.caller, batch.id), world.deliver()
        )
        assert withdrawn + len(world.sim.seen) == 40
        assert await world.balance() == 10_000 - len(world.sim.seen)

    world.run(story)


def test_rescue_ends_only_claims_whose_lease_is_over(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        await world.claim(message.id, lease=HOUR)
        assert await _rescue(world) == 0
        assert (await world.row(message.id)).place == Place.WORKER

    world.run(story)


def test_a_dead_workers_message_is_in_doubt_and_follows_the_policy(world: World) -> None:
    async def story() -> None:
        [standard] = (await world.submit()).messages
        [bulk] = (await world.submit(tier=Tier.BULK)).messages
        for message in (standard, bulk):
            await world.claim(message.id)
        assert await _rescue(world) == 2
        assert (await world.row(standard.id)).place == Place.HELD
        assert (await world.row(standard.id)).doubts == 1
        assert (await world.row(bulk.id)).status == Status.GAVE_UP
        assert "its worker went away" in (await world.row(bulk.id)).reason

    world.run(story)


async def _in_doubt(world: World) -> int:
    """Return the id of a message that a provider may have, and that waits for its next try."""
    [message] = (await world.submit(until=HOUR)).messages
    await world.claim(message.id)
    await _rescue(world)
    row = await world.row(message.id)
    assert (row.place, row.doubts) == (Place.HELD, 1)
    return message.id


async def _check_is_not_refunded(world: World, message_id: int) -> None:
    assert (await world.row(message_id)).status == Status.GAVE_UP
    assert await world.balance() == 9_999


def test_a_message_in_doubt_whose_window_is_over_is_not_refunded(world: World) -> None:
    async def story() -> None:
        message_id = await _in_doubt(world)
        world.time.advance(HOUR)
        assert await world.clock.expire() == 1
        await _check_is_not_refunded(world, message_id)

    world.run(story)


def test_a_message_in_doubt_that_can_no_longer_be_sent_is_not_refunded(world: World) -> None:
    async def story() -> None:
        message_id = await _in_doubt(world)
        await world.all("UPDATE senders SET disabled_at = now()")
        world.time.at = (await world.row(message_id)).wake_at
        await world.clock.release()
        await world.clock.fill()
        await world.deliver()
        await _check_is_not_refunded(world, message_id)

    world.run(story)


def test_a_message_in_doubt_whose_last_try_ends_after_its_window_is_not_refunded(world: World) -> None:
    async def story() -> None:
        message_id = await _in_doubt(world)
        world.time.at = (await world.row(message_id)).wake_at
        await world.clock.release()
        await world.clock.fill()

        async def refused(_: Outgoing) -> Outcome:
            world.time.advance(HOUR)
            return Unsent("connection refused")

        world.sim.answer = refused
        await world.deliver()
        await _check_is_not_refunded(world, message_id)

    world.run(story)


def test_a_message_that_was_never_sent_is_refunded_if_its_last_try_ends_after_its_window(
    world: World,
) -> None:
    async def story() -> None:
        [message] = (await world.submit(until=HOUR)).messages

        async def refused(_: Outgoing) -> Outcome:
            world.time.advance(HOUR)
            return Unsent("connection refused")

        world.sim.answer = refused
        await world.deliver()
        assert (await world.row(message.id)).status == Status.EXPIRED
        assert await world.balance() == 10_000

    world.run(story)


def test_rescue_waits_one_lease_after_postgres_could_be_reached_again(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        await world.claim(message.id)
        await world.clock.rescue()
        world.time.advance(2 * LEASE)
        world.ctx.database.reconnects += 1  # as after an absence
        assert await world.clock.rescue() == 0
        world.time.advance(LEASE)
        assert await world.clock.rescue() == 1

    world.run(story)


def test_rescue_waits_one_lease_after_postgres_started(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        await world.claim(message.id, lease=timedelta(seconds=1))
        started = await world.one("SELECT pg_postmaster_start_time() AS at, now() AS now")
        world.time.at = max(started.at + LEASE - timedelta(seconds=1), world.time.at)
        if world.time.at - started.at < LEASE:  # else Postgres has been up for long already
            world.time.at = started.at + LEASE - timedelta(milliseconds=1)
            assert await world.clock.rescue() == 0
        world.time.advance(LEASE)
        assert await world.clock.rescue() == 1

    world.run(story)


def test_a_late_outcome_is_an_event_and_changes_a_message_that_is_not_claimed(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        attempt = await world.claim(message.id)
        await _rescue(world)
        async with world.worker() as worker:
            worker.recorder.put(_ended(message.id, attempt, Accepted(("late-ref",)), world))
        row = await world.row(message.id)
        assert (row.status, row.place) == (Status.SENT, None)
        assert (await world.events(message.id))[-1] == (12, "late outcome: accepted")
        assert (await world.one("SELECT ref FROM provider_references")).ref == "late-ref"

    world.run(story)


def test_a_late_outcome_does_not_affect_the_worker_that_holds_the_message_now(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        first = await world.claim(message.id)
        await _rescue(world)
        world.time.at = (await world.row(message.id)).wake_at
        await world.clock.release()
        await world.clock.fill()
        second = await world.claim(message.id)
        async with world.worker() as worker:
            worker.recorder.put(_ended(message.id, first, Accepted(("first",)), world))
        assert (await world.row(message.id)).place == Place.WORKER
        async with world.worker() as worker:
            worker.recorder.put(_ended(message.id, second, Accepted(("second",)), world))
        assert (await world.row(message.id)).status == Status.SENT
        texts = [reason for _, reason in await world.events(message.id)]
        assert "late outcome: accepted" in texts
        assert texts[-1] == "accepted"
        assert len(await world.all("SELECT 1 FROM provider_references")) == 2

    world.run(story)


def test_a_late_refusal_is_an_event_and_changes_no_status(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        attempt = await world.claim(message.id)
        await _rescue(world)
        before = await world.row(message.id)
        async with world.worker() as worker:
            worker.recorder.put(_ended(message.id, attempt, Rejected(Status.BLOCKED, "no"), world))
        after = await world.row(message.id)
        assert (after.status, after.place, after.wake_at) == (before.status, before.place, before.wake_at)
        assert (await world.events(message.id))[-1] == (11, "late outcome: no")

    world.run(story)


def test_an_outcome_that_is_written_twice_is_one_event(world: World) -> None:
    """This happens when the answer to a commit is lost and the recorder tries again."""

    async def story() -> None:
        [message] = (await world.submit()).messages
        ended = _ended(message.id, await world.claim(message.id), Accepted(("ref",)), world)
        for _ in range(2):
            async with world.worker() as worker:
                worker.recorder.put(ended)
        assert await world.events(message.id) == [(11, "accepted"), (12, "accepted")]

    world.run(story)


def test_an_outcome_that_postgres_refuses_does_not_delay_the_others(world: World) -> None:
    async def story() -> None:
        bad, good = (await world.submit(["+254712345671", "+254712345672"])).messages
        tries = [
            _ended(bad.id, await world.claim(bad.id), Accepted(("nul\x00",)), world),
            _ended(good.id, await world.claim(good.id), Accepted(("good",)), world),
        ]
        async with world.worker() as worker:
            for ended in tries:
                worker.recorder.put(ended)
        assert [(await world.row(m.id)).status for m in (bad, good)] == [12, 12]
        assert worker.recorder.poisoned == 1

    world.run(story)


def test_a_claim_that_arrives_after_its_lease_takes_no_message(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        world.time.advance(-HOUR)  # a process that stood still, and believes it is an hour ago
        async with world.worker() as worker:
            await worker.deliver([message.id])
        assert (await world.row(message.id)).place == Place.LANE

    world.run(story)


def test_two_clocks_at_once_have_the_effect_of_one(world: World) -> None:
    async def story() -> None:
        numbers = [f"+2547123{n:05}" for n in range(300)]
        await world.submit(numbers, after=HOUR, tier=Tier.BULK)
        world.time.advance(HOUR)
        other = Clock(world.ctx)
        for duty in ("release", "fill", "requeue", "expire", "no_receipt", "release", "fill"):
            await asyncio.gather(getattr(world.clock, duty)(), getattr(other, duty)())
        assert sorted(world.lanes.take()) == list(range(1, 301))
        counts = await world.all("SELECT count(*) AS n FROM message_events GROUP BY message_id")
        assert {row.n for row in counts} == {2}

    world.run(story)


def test_deliveries_of_one_message_by_two_workers_make_one_call(world: World) -> None:
    async def slow(outgoing: Outgoing) -> Outcome:
        await asyncio.sleep(0.02)
        return Accepted((outgoing.reference,))

    async def story() -> None:
        [message] = (await world.submit()).messages
        world.sim.answer = slow
        await asyncio.gather(world.deliver([message.id]), world.deliver([message.id]))
        assert len(world.sim.seen) == 1

    world.run(story)
