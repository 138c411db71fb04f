"""The send queue: messages are claimed together, sent at once, and held when no slot becomes free."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import uvloop
from sqlalchemy import event

from dispatcher.domain.delivery.provider import Accepted, Outcome, Outgoing, ProviderConfig, Traffic
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.tier import Tier
from dispatcher.service.delivery import send_queue as lines
from dispatcher.service.delivery import token_queue
from tests.world import World

MANY = [f"+2547123456{n:02}" for n in range(30)]


def _statements(world: World, beginning: str) -> list[str]:
    """Return a list that collects the statements with this beginning from now on."""
    seen: list[str] = []
    engine = world.ctx.database._engine.sync_engine

    @event.listens_for(engine, "before_cursor_execute")
    def note(_c: object, _u: object, statement: str, *_: object) -> None:
        if statement.strip().startswith(beginning):
            seen.append(statement)

    return seen


def _slow(world: World, *, tps: float, connections: int = 200) -> None:
    world.configs["sim"] = ProviderConfig(
        name="sim", plugin="t", options={}, tps=tps, takes=Traffic.BOTH, max_connections=connections
    )


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.01)


def test_the_messages_of_a_lane_task_are_claimed_in_one_statement(world: World) -> None:
    async def story() -> None:
        ids = [m.id for m in (await world.submit(MANY)).messages]
        world.lanes.take()
        claims = _statements(world, "UPDATE messages m\nSET place = 'worker'")
        await world.deliver(ids)
        assert len(world.sim.seen) == 30
        assert len(claims) == 1

    world.run(story)


def test_calls_start_a_few_at_a_time_so_that_answers_are_read_in_between(world: World) -> None:
    async def story() -> None:
        ids = [m.id for m in (await world.submit(MANY)).messages]
        loop, turn, starts = asyncio.get_running_loop(), 0, list[int]()

        def next_turn() -> None:
            nonlocal turn
            turn += 1
            if len(starts) < len(MANY):
                loop.call_soon(next_turn)

        async def answer(_: Outgoing) -> Outcome:
            starts.append(turn)
            return Accepted(())

        world.sim.answer = answer
        next_turn()
        await world.deliver(ids)
        assert [starts.count(one) for one in sorted(set(starts))] == [12, 12, 6]

    world.run(story)


def test_only_messages_with_a_slot_are_claimed(world: World) -> None:
    _slow(world, tps=10_000, connections=4)

    async def story() -> None:
        ids = [m.id for m in (await world.submit(MANY)).messages]
        gone = asyncio.Event()

        async def hang(_: Outgoing) -> Outcome:
            await gone.wait()
            return Accepted(())

        world.sim.answer = hang
        async with world.worker() as worker:
            work = asyncio.create_task(worker.deliver(ids))
            await _until(lambda: len(world.sim.seen) == 4)
            await asyncio.sleep(0.1)
            row = await world.one("SELECT count(*) AS n FROM messages WHERE place = 'worker'")
            assert (row.n, len(world.sim.seen)) == (4, 4)
            gone.set()
            await work
        assert len(world.sim.seen) == 30

    world.run(story)


@pytest.mark.parametrize("tier", [Tier.CRITICAL, Tier.BULK])
def test_all_messages_are_sent_on_the_loop_that_workers_use(
    world: World, tier: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.world.asyncio.run", uvloop.run)
    monkeypatch.setattr(lines, "_GATHER", {tier: 0.0004})  # uvloop takes it for none at all
    _slow(world, tps=10_000, connections=4)

    async def story() -> None:
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        ids = [m.id for m in (await world.submit(MANY, tier=tier)).messages]
        async with asyncio.timeout(20), world.worker() as worker:
            await asyncio.gather(*(worker.deliver(ids[start : start + 5]) for start in range(0, 30, 5)))
        assert len(world.sim.seen) == 30

    world.run(story)


def test_messages_that_get_no_slot_are_held_in_one_statement_until_a_known_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _slow(world, tps=10_000, connections=4)
    patience = token_queue._PATIENCE[Tier.STANDARD]
    monkeypatch.setitem(token_queue._PATIENCE, Tier.STANDARD, replace(patience, slot=0.05))

    async def story() -> None:
        ids = [m.id for m in (await world.submit(MANY)).messages]
        gone = asyncio.Event()

        async def hang(_: Outgoing) -> Outcome:
            await gone.wait()
            return Accepted(())

        world.sim.answer = hang
        holds = _statements(world, "UPDATE messages m SET place = 'held'")
        async with world.worker() as worker:
            work = asyncio.create_task(worker.deliver(ids))
            await _until(lambda: bool(holds))
            await asyncio.sleep(0.05)
            rows = await world.all("SELECT wake_at FROM messages WHERE place = 'held'")
            assert len(rows) == 26
            assert all(row.wake_at >= world.time.now() + timedelta(seconds=1) for row in rows)
            gone.set()
            await work
        assert len(holds) == 1

    world.run(story)


def test_a_bug_in_the_queue_ends_its_lane_tasks_and_not_the_queue(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        ids = [m.id for m in (await world.submit(MANY)).messages]
        async with asyncio.timeout(10), world.worker() as worker:
            with monkeypatch.context() as broken:
                broken.setattr(lines, "_GATHER", {})
                with pytest.raises(KeyError):
                    await worker.deliver(ids)
                await worker.idle()
            assert world.sim.seen == []
            await worker.deliver(ids)
        assert len(world.sim.seen) == 30

    world.run(story)


def test_a_closing_worker_makes_its_queued_messages_ready(world: World) -> None:
    _slow(world, tps=10_000, connections=4)

    async def story() -> None:
        ids = [m.id for m in (await world.submit(MANY)).messages]
        gone = asyncio.Event()

        async def hang(_: Outgoing) -> Outcome:
            await gone.wait()
            return Accepted(())

        world.sim.answer = hang
        async with world.worker() as worker:
            work = asyncio.create_task(worker.deliver(ids))
            await _until(lambda: len(world.sim.seen) == 4)
            worker.close()
            gone.set()
            await work
        rows = await world.all("SELECT status, place FROM messages")
        assert sorted((row.status, row.place or "") for row in rows) == sorted(
            [(Status.SENT, "")] * 4 + [(Status.PENDING, Place.READY)] * 26
        )

    world.run(story)


def test_a_provider_that_accepts_batches_gets_them_and_each_message_has_its_outcome(world: World) -> None:
    calls: list[int] = []

    async def story() -> None:
        batch = world.sim.send

        async def counted(messages: list[Outgoing], gate: object) -> object:
            calls.append(len(messages))
            return await batch(messages, gate)  # type: ignore[arg-type]

        world.sim.send = counted  # type: ignore[method-assign, assignment]
        world.sim.max_batch = 20
        ids = [m.id for m in (await world.submit(MANY)).messages]
        await world.deliver(ids)
        assert sorted(calls) == [10, 20]
        rows = await world.all("SELECT DISTINCT status FROM messages")
        assert [row.status for row in rows] == [Status.SENT]
        assert (await world.one("SELECT count(*) AS n FROM provider_references")).n == 30

    world.run(story)


def test_outcomes_that_do_not_match_their_messages_are_in_doubt(world: World) -> None:
    async def story() -> None:
        async def short(*_: object) -> list[Outcome]:
            return []

        world.sim.send = short  # type: ignore[method-assign, assignment]
        [message] = (await world.submit()).messages
        await world.deliver()
        row = await world.row(message.id)
        assert (row.doubts, row.status) == (1, Status.PENDING)
        assert "0 outcomes for 1" in row.reason

    world.run(story)


def test_messages_that_share_a_call_are_sent_only_when_all_their_windows_are_open(world: World) -> None:
    world.sim.max_batch = 2
    minute, second = timedelta(minutes=1), timedelta(seconds=1)

    async def story() -> None:
        early = (await world.submit(after=minute)).messages[0].id
        world.time.advance(minute)
        await world.clock.release()  # by a process whose clock is ahead
        world.time.advance(-second)
        due = (await world.submit(until=minute)).messages[0].id
        await world.deliver([early, due])
        assert world.sim.seen == []
        world.time.advance(second)
        await world.all("UPDATE messages SET wake_at = :now", now=world.time.now())
        await world.clock.release()
        await world.deliver()
        assert len(world.sim.seen) == 2

    world.run(story)
