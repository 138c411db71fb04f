"""Messages wait for tokens: for a near one in their lane and in order, for a later one held."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.messages.status import Place
from dispatcher.domain.routing.provider_state import Override, ProviderState
from dispatcher.domain.tier import Tier
from dispatcher.lanes.throttle import TokenCost
from dispatcher.service.delivery import token_queue
from tests.world import ScriptedProvider, World

PAUSED = ProviderState(override=Override.PAUSED)
MANY = [f"+2547123456{n:02}" for n in range(100)]


def _rate(world: World, tps: float) -> None:
    world.configs["sim"] = ProviderConfig("sim", "test", {}, tps=tps, takes=Traffic.BOTH)


async def _enter(world: World, count: int, *, tier: Tier = Tier.BULK) -> list[int]:
    batch = await world.submit(MANY[:count], tier=tier)
    world.lanes.take()
    await world.all("UPDATE messages SET place = 'lane', wake_at = not_after WHERE place = 'ready'")
    return [message.id for message in batch.messages]


async def _in(world: World, place: Place) -> Sequence[int]:
    rows = await world.all("SELECT id FROM messages WHERE place = :place ORDER BY id", place=place)
    return [row.id for row in rows]


def test_messages_with_a_token_within_seconds_wait_in_their_lane_and_are_sent_in_order(world: World) -> None:
    _rate(world, 100)

    async def story() -> None:
        await _enter(world, 80)
        ids = await _in(world, Place.LANE)
        async with world.worker() as worker:
            await worker.deliver(ids)
            assert 0 < len(world.sim.seen) < 40
            assert await _in(world, Place.HELD) == []
            waiting = await _in(world, Place.LANE)
            assert len(waiting) > 30
        assert [seen.reference for seen in world.sim.seen] == [
            str(row.public_id) for row in await world.all("SELECT public_id FROM messages ORDER BY id")
        ]
        assert world.lanes.wakes == []

    world.run(story)


def test_messages_with_a_later_token_are_held_without_counting_an_attempt(world: World) -> None:
    _rate(world, 10)

    async def story() -> None:
        await _enter(world, 100)
        await world.deliver(await _in(world, Place.LANE))
        held = await world.all("SELECT * FROM messages WHERE place = 'held' ORDER BY id")
        # In the three seconds that one waits here bulk may send 23 of the 9.5 a second that are handed out.
        assert 70 <= len(held) <= 80
        assert len(world.sim.seen) + len(held) == 100
        assert {(row.attempt, row.seq, row.status) for row in held} == {(0, 1, 11)}
        turns = [row.wake_at for row in held]
        assert turns == sorted(turns)
        apart = (turns[-1] - turns[0]) / (len(turns) - 1)
        assert apart == pytest.approx(timedelta(seconds=1.05 / 8), rel=0.01)
        assert world.lanes.wakes

    world.run(story)


def test_messages_that_are_held_later_are_due_later_but_never_after_the_limit(world: World) -> None:
    _rate(world, 1)

    async def story() -> None:
        await _enter(world, 40, tier=Tier.STANDARD)
        await _enter(world, 40, tier=Tier.STANDARD)
        ids = await _in(world, Place.LANE)
        async with world.worker() as worker:
            await worker.deliver(ids[:40])
            first = await world.all("SELECT wake_at FROM messages WHERE place = 'held' ORDER BY wake_at")
            await worker.deliver(ids[40:])
            async with asyncio.timeout(5):
                while len(await _in(world, Place.HELD)) < 75:  # noqa: ASYNC110 - nothing signals it
                    await asyncio.sleep(0.02)
            now = world.time.now()
            worker.close()
        every = await world.all("SELECT wake_at FROM messages WHERE place = 'held' ORDER BY wake_at")
        assert len(every) >= 75
        assert every[len(first)].wake_at > first[-1].wake_at - timedelta(seconds=30)
        assert every[-1].wake_at <= now + timedelta(minutes=1)

    world.run(story)


def test_messages_that_wait_for_one_provider_do_not_delay_those_for_another(world: World) -> None:
    world.providers["second"] = ScriptedProvider()
    world.configs["second"] = ProviderConfig(
        "second", "test", {}, tps=1000, countries=frozenset({"TZ"}), takes=Traffic.BOTH
    )
    world.configs["sim"] = ProviderConfig(
        "sim", "test", {}, tps=10, countries=frozenset({"KE"}), takes=Traffic.BOTH
    )

    async def story() -> None:
        slow = await _enter(world, 20)
        quick = [m.id for m in (await world.submit([f"+2557123456{n:02}" for n in range(50)])).messages]
        async with world.worker() as worker:
            async with asyncio.timeout(0.8):  # the last of the slow ones has its token in two seconds
                await worker.deliver([*slow, *quick[:25]])
                await worker.deliver(quick[25:])
                while len(world.providers["second"].seen) < 50:  # noqa: ASYNC110 - nothing signals it
                    await asyncio.sleep(0.01)
            worker.close()

    world.run(story)


def test_a_later_message_does_not_overtake_a_waiting_one(world: World) -> None:
    _rate(world, 100)

    async def story() -> None:
        await _enter(world, 40)
        ids = await _in(world, Place.LANE)
        async with world.worker() as worker:
            await worker.deliver(ids)
            [late] = (await world.submit("+254799999999", tier=Tier.BULK)).messages
            await worker.deliver([late.id])
        assert world.sim.seen[-1].to == "+254799999999"
        assert len(world.sim.seen) == 41

    world.run(story)


def test_a_worker_that_stops_makes_waiting_messages_ready(world: World) -> None:
    _rate(world, 20)

    async def story() -> None:
        await _enter(world, 40)
        async with world.worker() as worker:
            await worker.deliver(await _in(world, Place.LANE))
            waiting = await _in(world, Place.LANE)
            sent = len(world.sim.seen)
            worker.close()
        assert waiting
        assert await _in(world, Place.LANE) == []
        assert set(waiting) <= set(await _in(world, Place.READY))
        assert len(world.sim.seen) == sent

    world.run(story)


@pytest.mark.parametrize("other_way", [False, True])
def test_messages_that_wait_when_their_provider_is_paused_are_read_again(
    world: World, *, other_way: bool
) -> None:
    _rate(world, 20)
    if other_way:
        world.providers["second"] = ScriptedProvider()

    async def story() -> None:
        await _enter(world, 40)
        async with world.worker() as worker:
            await worker.deliver(await _in(world, Place.LANE))
            world.ctx.provider_health.states["sim"] = PAUSED
        sent = len(world.sim.seen)
        assert await _in(world, Place.LANE) == []
        ready = await _in(world, Place.READY)
        assert len(ready) > 20
        while await world.clock.fill():
            await world.deliver()
        assert len(world.sim.seen) == sent
        if other_way:
            taken = {seen.reference for seen in world.providers["second"].seen}
            rows = await world.all("SELECT public_id FROM messages WHERE id = ANY(:ids)", ids=ready)
            assert {str(row.public_id) for row in rows} <= taken
        else:
            rows = await world.all("SELECT waits_for FROM messages WHERE id = ANY(:ids)", ids=ready)
            assert [row.waits_for for row in rows] == ["sim paused"] * len(ready)

    world.run(story)


def test_a_message_that_gets_no_token_in_time_is_held(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _rate(world, 40)
    patience = token_queue._Patience(3.0, timedelta(seconds=0.5), timedelta(minutes=1), 0.1)
    monkeypatch.setitem(token_queue._PATIENCE, Tier.BULK, patience)

    async def story() -> None:
        await _enter(world, 20)

        async def all_taken() -> None:
            while True:  # another process that always asks first
                await world.ctx.throttle.take(
                    "sim", Tier.BULK, tps=40 / 1.05, wanted=[TokenCost(1, None)] * 10, sender_tps={}
                )
                await asyncio.sleep(0.01)

        other = asyncio.create_task(all_taken())
        async with world.worker() as worker:
            await worker.deliver(await _in(world, Place.LANE))
        other.cancel()
        assert len(world.sim.seen) < 20
        assert len(await _in(world, Place.HELD)) == 20 - len(world.sim.seen)

    world.run(story)
