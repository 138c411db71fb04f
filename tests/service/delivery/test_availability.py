"""Which provider gets messages, and which messages wait, while one is paused, broken, on trial or pinned."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Outcome,
    Outgoing,
    ProviderConfig,
    Traffic,
    Unsent,
)
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.routing.provider_state import BreakerPhase, Override, ProviderState
from dispatcher.domain.tier import Tier
from dispatcher.service.messages import search
from dispatcher.service.messages.explain import explain
from tests.world import ScriptedProvider, World

SECOND = timedelta(seconds=1)
PAUSED = ProviderState(override=Override.PAUSED)
MANY = [f"+2547123456{n:02}" for n in range(40)]


def _open(world: World) -> ProviderState:
    return ProviderState(BreakerPhase.OPEN, until=world.time.now() + 6 * SECOND)


def _with_a_second(world: World, *, tps: float = 10_000) -> ScriptedProvider:
    world.providers["second"] = ScriptedProvider()
    world.configs["second"] = ProviderConfig(
        name="second", plugin="test", options={}, tps=tps, takes=Traffic.BOTH
    )
    return world.providers["second"]


def _set(world: World, name: str, state: ProviderState) -> None:
    world.ctx.provider_health.states[name] = state


def test_messages_of_a_paused_provider_go_to_their_next_provider(world: World) -> None:
    second = _with_a_second(world)

    async def story() -> None:
        _set(world, "sim", PAUSED)
        await world.submit(MANY)
        await world.deliver()
        assert (len(world.sim.seen), len(second.seen)) == (0, 40)

    world.run(story)


def test_a_message_is_refused_as_28_while_all_providers_of_its_route_are_drained(
    world: World,
) -> None:
    async def story() -> None:
        _set(world, "sim", ProviderState(override=Override.DRAINED))
        [message] = (await world.submit()).messages
        assert message.status is Status.NO_ROUTE

    world.run(story)


@pytest.mark.parametrize("order", [Override.PAUSED, Override.DRAINED])
def test_a_message_without_another_provider_waits_without_an_attempt_and_says_why(
    world: World, order: Override
) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        _set(world, "sim", ProviderState(override=order))
        await world.deliver()
        row = await world.row(message.id)
        assert (row.status, row.place, row.attempt, row.seq) == (Status.PENDING, Place.HELD, 0, 1)
        assert row.waits_for == f"sim {order}"
        assert 5 * 60 * SECOND <= row.wake_at - world.time.now() <= 10 * 60 * SECOND
        history = await search.history(world.ctx, message.id)
        lines = explain(history, now=world.time.now(), consumed={"clock": world.time.now()})
        assert lines[0].startswith(
            f"No provider of its route takes messages: sim is {order}. It goes on when"
        )
        assert world.sim.seen == []

    world.run(story)


def test_messages_that_wait_for_a_provider_are_sent_as_soon_as_it_is_resumed(world: World) -> None:
    async def story() -> None:
        _set(world, "sim", PAUSED)
        await world.submit(MANY)
        await world.deliver()
        _set(world, "sim", ProviderState())
        assert await world.ctx.provider_health.release_waiting("sim", now=world.time.now()) == 40
        assert world.lanes.wakes[-1] == world.time.now()
        await world.clock.release()
        await world.clock.fill()
        await world.deliver()
        assert len(world.sim.seen) == 40
        assert await world.all("SELECT 1 FROM messages WHERE waits_for IS NOT NULL") == []

    world.run(story)


def test_only_messages_that_wait_for_a_provider_are_made_due(world: World) -> None:
    async def story() -> None:
        later = (await world.submit(after=60 * SECOND)).messages[0].id
        [retry] = (await world.submit()).messages
        world.sim.always(Deferred("busy", after=60 * SECOND))
        await world.deliver()
        assert await world.ctx.provider_health.release_waiting("sim", now=world.time.now()) == 0
        for message_id in (later, retry.id):
            assert (await world.row(message_id)).wake_at >= world.time.now() + 60 * SECOND

    world.run(story)


def test_a_message_that_waits_for_a_provider_ends_with_its_window(world: World) -> None:
    async def story() -> None:
        _set(world, "sim", PAUSED)
        [message] = (await world.submit(until=60 * SECOND)).messages
        await world.deliver()
        assert (await world.row(message.id)).wake_at == world.time.now() + 60 * SECOND
        world.time.advance(60 * SECOND)
        await world.clock.expire()
        assert (await world.row(message.id)).status == Status.EXPIRED
        assert await world.balance() == 10_000

    world.run(story)


@pytest.mark.parametrize(("tier", "spread"), [(Tier.CRITICAL, 1), (Tier.STANDARD, 60)])
def test_messages_that_an_open_breaker_bars_are_tried_again_spread_out_after_its_pause(
    world: World, tier: Tier, spread: int
) -> None:
    async def story() -> None:
        _set(world, "sim", _open(world))
        await world.submit(MANY, tier=tier)
        await world.deliver()
        rows = await world.all("SELECT wake_at, waits_for FROM messages WHERE place = 'held'")
        waits = [(row.wake_at - world.time.now()) / SECOND for row in rows]
        assert {row.waits_for for row in rows} == {"sim failing"}
        assert 6 <= min(waits) <= max(waits) <= 6 + spread
        assert max(waits) - min(waits) > spread / 2

    world.run(story)


def test_a_provider_on_trial_gets_a_few_messages_and_the_next_provider_the_rest(world: World) -> None:
    second = _with_a_second(world)

    async def story() -> None:
        _set(world, "sim", ProviderState(BreakerPhase.HALF_OPEN))
        ids = [m.id for m in (await world.submit(MANY)).messages]
        async with world.worker() as worker:
            for start in range(0, 40, 5):  # a lane task offers it one message
                await worker.deliver(ids[start : start + 5])
        assert 1 <= len(world.sim.seen) <= 3
        assert len(world.sim.seen) + len(second.seen) == 40

    world.run(story)


def test_a_provider_on_trial_is_tried_even_if_the_route_names_it_last(world: World) -> None:
    second = _with_a_second(world)

    async def story() -> None:
        _set(world, "second", ProviderState(BreakerPhase.HALF_OPEN))
        await world.submit(MANY)
        await world.deliver()
        assert (len(world.sim.seen), len(second.seen)) == (39, 1)

    world.run(story)


def test_a_message_without_another_provider_waits_for_a_trial_token(world: World) -> None:
    async def story() -> None:
        _set(world, "sim", ProviderState(BreakerPhase.HALF_OPEN))
        await world.submit(MANY)
        await world.deliver()
        held = await world.all("SELECT waits_for FROM messages WHERE place = 'held'")
        assert 1 <= len(world.sim.seen) <= 2
        assert [row.waits_for for row in held] == ["sim on trial"] * (40 - len(world.sim.seen))

    world.run(story)


@pytest.mark.parametrize("breaker", BreakerPhase)
def test_a_pinned_provider_gets_all_messages_in_any_state_of_its_breaker(
    world: World, breaker: BreakerPhase
) -> None:
    _with_a_second(world)

    async def story() -> None:
        _set(world, "sim", ProviderState(breaker, Override.PINNED, until=world.time.now() + SECOND))
        await world.submit(MANY)
        await world.deliver()
        assert len(world.sim.seen) == 40

    world.run(story)


def test_a_slow_provider_is_used_if_there_is_no_other(world: World) -> None:
    async def story() -> None:
        _set(world, "sim", ProviderState(BreakerPhase.SLOW))
        await world.submit(MANY)
        await world.deliver()
        assert len(world.sim.seen) == 40

    world.run(story)


def test_a_senders_own_rate_delays_only_its_messages(world: World) -> None:
    world.configs["sim"] = ProviderConfig(
        name="sim", plugin="test", options={}, tps=1000, takes=Traffic.BOTH, sender_tps={"SHOP": 2}
    )

    async def story() -> None:
        other = await world.another_account("bank")
        await world.submit(MANY)
        await world.submit(MANY, caller=other)
        await world.deliver()
        senders = [seen.sender for seen in world.sim.seen]
        # Standard may use nine tenths of two a second; a message more than three seconds off is held.
        assert 1 < senders.count("SHOP") <= 7
        assert senders.count("BANK") == 40
        assert senders.index("BANK") <= 1
        held = await world.all("SELECT attempt, wait_kind, waits_for FROM messages WHERE place = 'held'")
        assert [(row.attempt, row.wait_kind, row.waits_for) for row in held] == [(0, "token", "sim")] * (
            40 - senders.count("SHOP")
        )

    world.run(story)


def test_a_queued_message_is_not_sent_when_its_provider_is_paused(world: World) -> None:
    world.configs["sim"] = ProviderConfig(
        name="sim", plugin="test", options={}, tps=1000, takes=Traffic.BOTH, max_connections=4
    )
    gone = asyncio.Event()

    async def hang(_: Outgoing) -> Outcome:
        await gone.wait()
        return Accepted(())

    async def story() -> None:
        world.sim.answer = hang
        ids = [m.id for m in (await world.submit(MANY)).messages]
        async with world.worker() as worker:
            work = asyncio.create_task(worker.deliver(ids))
            async with asyncio.timeout(5):
                while len(world.sim.seen) < 4:  # noqa: ASYNC110 - nothing signals it
                    await asyncio.sleep(0.01)
            _set(world, "sim", PAUSED)
            gone.set()
            await work
        assert len(world.sim.seen) == 4
        rows = await world.all("SELECT attempt FROM messages WHERE place = 'held'")
        assert [row.attempt for row in rows] == [0] * 36

    world.run(story)


def test_a_claimed_message_is_not_sent_when_its_provider_is_paused(world: World) -> None:
    async def take_and_pause(outgoing: Outgoing) -> Outcome:
        _set(world, "sim", PAUSED)
        return Accepted((outgoing.reference,))

    async def story() -> None:
        world.sim.answer = take_and_pause
        await world.submit(MANY)
        await world.deliver()
        assert len(world.sim.seen) == 1
        rows = await world.all("SELECT reason FROM messages WHERE place = 'held' AND attempt = 1")
        assert rows
        assert all(row.reason.startswith("sim is paused") for row in rows)

    world.run(story)


def test_a_failover_never_goes_to_a_barred_provider(world: World) -> None:
    second = _with_a_second(world)

    async def refuse_and_pause(_: Outgoing) -> Outcome:
        _set(world, "second", PAUSED)
        return Unsent("no connection")

    async def story() -> None:
        world.sim.answer = refuse_and_pause
        [message] = (await world.submit()).messages
        await world.deliver()
        assert second.seen == []
        row = await world.row(message.id)
        assert (row.status, row.place, row.reason) == (Status.PENDING, Place.HELD, "no connection")

    world.run(story)


def test_failovers_keep_to_the_rate_and_the_slots_of_the_next_provider(world: World) -> None:
    second = _with_a_second(world, tps=20)
    at: list[datetime] = []
    out = most = 0

    async def slowly(_: Outgoing) -> Outcome:
        nonlocal out, most
        at.append(datetime.now(UTC))
        out, most = out + 1, max(most, out + 1)
        await asyncio.sleep(0.02)
        out -= 1
        return Accepted(())

    async def story() -> None:
        world.sim.always(Unsent("refused"))
        second.answer = slowly
        await world.submit(MANY)
        async with world.worker() as worker:
            await worker.deliver(world.lanes.take())
            await worker.idle()
            assert most <= max(2, worker.limits["second"].slots)
        # Standard may use 0.9 of 20 a second, for 250 ms ahead; a timer may be a little late.
        first = min(at)
        assert len(at) >= 4
        for number, moment in enumerate(sorted(at)):
            assert moment - first >= timedelta(seconds=number / 18 - 0.07)

    world.run(story)


def test_a_provider_that_hangs_delays_no_other_and_keeps_no_lane_task_open(world: World) -> None:
    second = _with_a_second(world)
    world.configs["sim"] = ProviderConfig(
        name="sim",
        plugin="test",
        options={},
        tps=1000,
        countries=frozenset({"KE"}),
        takes=Traffic.BOTH,
        call_timeout=timedelta(seconds=2),
        max_connections=8,
    )
    world.configs["second"] = ProviderConfig(
        name="second", plugin="test", options={}, tps=1000, countries=frozenset({"TZ"}), takes=Traffic.BOTH
    )

    async def hang(_: Outgoing) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def story() -> None:
        world.sim.answer = hang
        kenyan = [m.id for m in (await world.submit(MANY)).messages]
        tanzanian = [m.id for m in (await world.submit([f"+2557123456{n:02}" for n in range(40)])).messages]
        loop = asyncio.get_running_loop()
        async with world.worker() as worker:
            first = asyncio.create_task(worker.deliver(kenyan))
            async with asyncio.timeout(1):
                await worker.deliver(tanzanian)
            await first  # held as soon as the provider is known to hang, while its calls are open
            began = loop.time()
            assert worker.limits["sim"].is_stuck
            assert len(second.seen) == 40
            mixed = [m.id for m in (await world.submit(["+254712345699", "+255712345699"])).messages]
            await worker.deliver(mixed)
            assert loop.time() - began < 0.5
            assert len(second.seen) == 41
            assert len(world.sim.seen) == 8
        # Turned away: all of them but those that were out, which are in doubt now.
        held = await world.all("SELECT doubts FROM messages WHERE place = 'held'")
        assert sorted(row.doubts for row in held) == [0] * 33 + [1] * 8

    world.run(story)
