"""Races of receipts with outcomes, resends and each other, over real connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.delivery.provider import Accepted, ReceiptReport, Unknown
from dispatcher.domain.messages.status import Place, Status
from dispatcher.service.context import Context
from dispatcher.service.receipts import ingest
from dispatcher.store.engine import open_engine
from tests.world import World

DELIVERED = Status.RECEIVED
MANY = 40


def _another(world: World) -> Context:
    """Return the context of another process: its receipts share no batch with those of the first."""
    return replace(world.ctx)


async def _sent(world: World, *refs: str) -> int:
    world.sim.always(Accepted(refs))
    [message] = (await world.submit()).messages
    await world.deliver()
    return message.id


async def _report(ctx: Context, status: Status, *, ref: str | None = None, reference: object = None) -> None:
    """Report one receipt, which changes its message at once or is left to `match`."""
    ours = None if reference is None else str(reference)
    await ingest.keep(ctx, "sim", [ReceiptReport(ref=ref, reference=ours, status=status)])


async def _status(world: World, message_id: int) -> int:
    return int((await world.row(message_id)).status)


@asynccontextmanager
async def _locked(world: World, message_id: int) -> AsyncIterator[AsyncConnection]:
    """Lock a message as a transaction that has not ended does."""
    engine = open_engine(world.settings.database_url.get_secret_value(), pool_size=1, name="holder")
    async with engine.begin() as connection:
        await connection.execute(text("SELECT 1 FROM messages WHERE id = :id FOR UPDATE"), {"id": message_id})
        yield connection
    await engine.dispose()


async def _until_a_lock_is_awaited(world: World) -> None:
    """Wait until a statement waits for a lock."""
    async with asyncio.timeout(10):
        while not await world.all("SELECT 1 FROM pg_locks WHERE NOT granted"):
            pass


def test_receipts_that_arrive_while_outcomes_are_recorded_are_all_matched(world: World) -> None:
    async def story() -> None:
        ids = {}
        for _ in range(MANY):
            [message] = (await world.submit()).messages
            ids[message.id] = f"ref-{message.public_id}-1"
        reports = asyncio.gather(*(_report(_another(world), DELIVERED, ref=ref) for ref in ids.values()))
        await world.deliver()
        await reports
        world.time.advance(timedelta(seconds=1))
        await ingest.match(world.ctx)
        for message_id in ids:
            assert [status for status, _ in await world.events(message_id)] == [11, 12, 13]

    world.run(story)


def test_the_same_receipt_in_two_processes_at_once_is_one_event(world: World) -> None:
    async def story() -> None:
        messages = [await _sent(world, f"r{n}") for n in range(MANY)]
        await asyncio.gather(
            *(_report(_another(world), DELIVERED, ref=f"r{n}") for n in range(MANY) for _ in range(2))
        )
        await ingest.match(world.ctx)
        for message_id in messages:
            assert [status for status, _ in await world.events(message_id)] == [11, 12, 13]

    world.run(story)


def test_parts_reported_in_two_processes_at_once_are_put_together(world: World) -> None:
    async def story() -> None:
        messages = [await _sent(world, f"a{n}", f"b{n}") for n in range(MANY)]
        await asyncio.gather(
            *(_report(_another(world), DELIVERED, ref=f"{part}{n}") for n in range(MANY) for part in "ab")
        )
        await ingest.match(world.ctx)
        assert [await _status(world, message_id) for message_id in messages] == [13] * MANY

    world.run(story)


def test_a_receipt_that_waited_for_a_lock_sees_the_part_reported_meanwhile(world: World) -> None:
    async def story() -> None:
        message_id = await _sent(world, "a", "b")
        async with _locked(world, message_id) as holder:
            await _report(world.ctx, DELIVERED, ref="b")
            matching = asyncio.create_task(ingest.match(world.ctx))
            await _until_a_lock_is_awaited(world)
            await holder.execute(text("UPDATE provider_references SET status = 13 WHERE ref = 'a'"))
        await matching
        assert await _status(world, message_id) == 13

    world.run(story)


def test_a_receipt_of_a_locked_message_does_not_delay_the_provider(world: World) -> None:
    async def story() -> None:
        busy, free = await _sent(world, "busy"), await _sent(world, "free")
        async with _locked(world, busy):
            async with asyncio.timeout(4):  # a lock is waited for longer than that
                await _report(world.ctx, DELIVERED, ref="busy")
                await _report(world.ctx, DELIVERED, ref="free")
            assert await _status(world, free) == 13
        assert await _status(world, busy) == 12
        await ingest.match(world.ctx)
        assert await _status(world, busy) == 13

    world.run(story)


async def _resending(world: World) -> tuple[int, object]:
    """Return a message whose first attempt ended in doubt and whose second is open."""
    world.sim.always(Unknown("no answer"))
    [message] = (await world.submit()).messages
    await world.deliver()
    assert (await world.row(message.id)).place == Place.HELD
    world.time.advance(timedelta(minutes=5))
    await world.clock.release()
    await world.clock.fill()
    assert await world.claim(message.id) == 2
    return message.id, message.public_id


def test_a_failure_by_our_reference_does_not_end_an_open_resend(world: World) -> None:
    async def story() -> None:
        message_id, reference = await _resending(world)
        await _report(world.ctx, Status.FAILED, reference=reference)
        await ingest.match(world.ctx)
        assert (await world.row(message_id)).place == Place.WORKER
        assert (await world.one("SELECT verdict, message_id FROM receipts")) == ("noted", message_id)

    world.run(story)


@pytest.mark.parametrize("outcome", [Accepted(("second",)), Unknown("no answer")])
def test_a_delivery_by_our_reference_stands_after_any_outcome_of_the_open_resend(
    world: World, outcome: Accepted | Unknown
) -> None:
    async def story() -> None:
        world.sim.always(Unknown("no answer"))
        [message] = (await world.submit()).messages
        await world.deliver()
        world.time.advance(timedelta(minutes=5))
        await world.clock.release()
        await world.clock.fill()

        async def reported_meanwhile(_: object) -> Accepted | Unknown:
            await _report(world.ctx, DELIVERED, reference=message.public_id)
            await ingest.match(world.ctx)
            assert await _status(world, message.id) == 13
            return outcome

        world.sim.answer = reported_meanwhile
        await world.deliver()
        assert len(world.sim.seen) == 2
        row = await world.row(message.id)
        assert (row.status, row.place) == (13, None)
        await _report(world.ctx, Status.FAILED, ref="second")
        assert await _status(world, message.id) == 13

    world.run(story)


def test_a_receipt_after_the_receipt_time_out_still_counts(world: World) -> None:
    async def story() -> None:
        message_id = await _sent(world, "r1")
        world.time.advance(world.settings.retry_policy.receipt)
        assert await world.clock.no_receipt() == 1
        await _report(world.ctx, DELIVERED, ref="r1")
        assert [status for status, _ in await world.events(message_id)] == [11, 12, 12, 13]

    world.run(story)


def test_a_message_with_a_lost_part_is_lost_until_all_parts_have_arrived(world: World) -> None:
    async def story() -> None:
        message_id = await _sent(world, "a", "b")
        await _report(world.ctx, Status.FAILED, ref="a")
        await _report(world.ctx, DELIVERED, ref="b")
        await ingest.match(world.ctx)
        assert await _status(world, message_id) == 38
        await _report(world.ctx, DELIVERED, ref="a")
        await ingest.match(world.ctx)
        assert await _status(world, message_id) == 13

    world.run(story)
