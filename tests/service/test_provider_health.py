"""Provider health: breakers and overrides are the same in all processes."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from dispatcher.domain.delivery.provider import Accepted, Deferred, Outcome, Rejected, Unknown, Unsent
from dispatcher.domain.errors import Invalid, NotFound
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.routing.provider_state import BreakerPhase, Override, ProviderState
from dispatcher.lanes.breaker import Breakers
from dispatcher.lanes.connect import open_async_redis
from dispatcher.service.provider_health import ProviderHealth
from dispatcher.service.routing import providers
from dispatcher.store.routing import overrides
from tests.world import World

SECOND = timedelta(seconds=1)
MANY = [f"+2547123456{n:02}" for n in range(30)]


def _another(world: World) -> ProviderHealth:
    """Return the provider health of another process."""
    health = world.ctx.provider_health
    configs = [configured.config for configured in world.ctx.providers.values()]
    return ProviderHealth(configs, world.ctx.database, health.breakers, wake=world.lanes.wake)


def _note(health: ProviderHealth, *outcomes: Outcome, seconds: float = 0.01) -> None:
    for outcome in outcomes:
        health.tallies["sim"].add([outcome], seconds=seconds, segments=1)


@pytest.mark.parametrize(
    ("outcomes", "breaker"),
    [
        ([Unsent("refused")] * 20, BreakerPhase.OPEN),
        ([Unknown("time-out")] * 20, BreakerPhase.OPEN),
        ([Deferred("503")] * 20, BreakerPhase.OPEN),
        ([Rejected(Status.BLOCKED, "no")] * 20, BreakerPhase.CLOSED),
        ([Accepted(())] * 20, BreakerPhase.CLOSED),
        ([Deferred("429", after=20 * SECOND)] * 9, BreakerPhase.CLOSED),
        ([Deferred("429", after=20 * SECOND)] * 10, BreakerPhase.OPEN),
    ],
)
def test_the_calls_of_one_process_move_the_breaker_of_all(
    world: World, outcomes: Sequence[Outcome], breaker: BreakerPhase
) -> None:
    async def story() -> None:
        other = _another(world)
        _note(world.ctx.provider_health, *outcomes)
        await world.ctx.provider_health.refresh()
        await other.refresh()
        assert world.ctx.provider_states["sim"].breaker is breaker
        assert other.states == world.ctx.provider_states

    world.run(story)


def test_the_calls_of_several_processes_move_the_breaker_together(world: World) -> None:
    async def story() -> None:
        other = _another(world)
        _note(world.ctx.provider_health, *[Unsent("refused")] * 12)
        _note(other, *[Unsent("refused")] * 8)
        await world.ctx.provider_health.refresh()
        assert world.ctx.provider_states["sim"].breaker is BreakerPhase.CLOSED
        await other.refresh()
        assert other.states["sim"].breaker is BreakerPhase.OPEN
        report = await providers.one(world.ctx, "sim")
        assert [turn.cause for turn in report.history] == ["20 of 20 failed: 20 not sent"]

    world.run(story)


def test_delivery_counts_the_outcomes_of_its_calls(world: World) -> None:
    async def story() -> None:
        world.sim.always(Unsent("refused"))
        await world.submit(MANY)
        await world.deliver()
        await world.ctx.provider_health.refresh()
        assert world.ctx.provider_states["sim"].breaker is BreakerPhase.OPEN

    world.run(story)


def test_a_call_that_the_gate_prevents_is_not_counted(world: World) -> None:
    async def shut(*_: object) -> Sequence[Outcome]:
        world.time.advance(120 * SECOND)
        return [Unsent("the gate was closed")]

    async def story() -> None:
        world.sim.send = shut  # type: ignore[method-assign, assignment]
        await world.submit(until=60 * SECOND)
        await world.deliver()
        report = await providers.one(world.ctx, "sim")
        assert report.window is not None
        assert report.window.tried == 0

    world.run(story)


async def _lose_redis(world: World) -> None:
    redis = open_async_redis(world.settings.redis_url.get_secret_value())
    await redis.flushdb()
    await redis.aclose()


def test_a_breaker_that_closes_makes_waiting_messages_due(world: World) -> None:
    async def story() -> None:
        health = world.ctx.provider_health
        _note(health, *[Deferred("busy", after=SECOND)] * 10)
        await health.refresh()
        [message] = (await world.submit()).messages
        await world.deliver()
        assert (await world.row(message.id)).waits_for.startswith("sim failing (")
        while world.ctx.provider_states["sim"].breaker is BreakerPhase.OPEN:
            await health.refresh()
        assert world.ctx.provider_states["sim"] == ProviderState(BreakerPhase.HALF_OPEN)
        _note(health, *[Accepted(())] * 5)
        await health.refresh()
        assert world.ctx.provider_states["sim"].breaker is BreakerPhase.CLOSED
        await health.wait_until_released()
        assert (await world.row(message.id)).waits_for is None

    world.run(story)


def test_a_process_that_learns_late_of_a_resumed_provider_releases_what_it_held_meanwhile(
    world: World,
) -> None:
    async def story() -> None:
        await providers.set_override(world.ctx, "sim", Override.PAUSED, by="ann")
        [message] = (await world.submit()).messages
        other = _another(world)
        await other.refresh()
        await world.ctx.database.single(
            lambda c: overrides.insert(c, "sim", Override.NONE, reason="", by="bob")
        )
        await other.reload_overrides()
        await other.refresh()
        await other.wait_until_released()
        await world.deliver()  # by this process, which does not know yet
        assert (await world.row(message.id)).waits_for == "sim paused by ann"
        await world.ctx.provider_health.refresh()
        await world.ctx.provider_health.wait_until_released()
        world.time.at = (await world.row(message.id)).wake_at
        await world.clock.release()
        await world.deliver()
        assert (await world.row(message.id)).status == Status.SENT

    world.run(story)


def test_closing_lets_the_release_of_waiting_messages_end(world: World) -> None:
    async def story() -> None:
        await providers.set_override(world.ctx, "sim", Override.PAUSED, by="ann")
        [message] = (await world.submit()).messages
        await world.deliver()
        await world.ctx.database.single(
            lambda c: overrides.insert(c, "sim", Override.NONE, reason="", by="bob")
        )
        health = _another(world)
        await health.reload_overrides()
        await health.refresh()
        await health.close()
        assert (await world.row(message.id)).waits_for is None

    world.run(story)


def test_messages_that_wait_for_another_provider_stay_held(world: World) -> None:
    async def story() -> None:
        await providers.set_override(world.ctx, "sim", Override.PAUSED, by="ann")
        [message] = (await world.submit()).messages
        await world.deliver()
        health = world.ctx.provider_health
        for other in ("si", "im", "paused", "ann", "si%"):
            assert await health.release_waiting(other, now=world.time.now()) == 0
        assert (await world.row(message.id)).waits_for == "sim paused by ann"
        assert await health.release_waiting("sim", now=world.time.now()) == 1

    world.run(story)


def test_an_override_holds_in_all_processes_after_a_refresh_and_without_redis(world: World) -> None:
    async def story() -> None:
        other = _another(world)
        await other.refresh()
        await providers.set_override(world.ctx, "sim", Override.PAUSED, reason="bills", by="ann")
        await other.refresh()
        assert other.states["sim"].override is world.ctx.provider_states["sim"].override is Override.PAUSED
        await _lose_redis(world)
        fresh = _another(world)
        await fresh.refresh()
        assert fresh.states["sim"].override is Override.PAUSED

    world.run(story)


def test_without_redis_overrides_are_read_and_counts_are_kept_until_it_is_back(world: World) -> None:
    async def story() -> None:
        await providers.set_override(world.ctx, "sim", Override.PINNED, by="ann")
        redis = open_async_redis("redis://127.0.0.1:1/0")
        there, away = world.ctx.provider_health.breakers, Breakers(redis)
        alone = _another(world)
        alone.breakers = away
        _note(alone, *[Unsent("refused")] * 20)
        await alone.refresh()
        assert alone.states["sim"] == ProviderState(override=Override.PINNED)
        alone.breakers = there
        await alone.refresh()
        assert alone.states["sim"].breaker is BreakerPhase.OPEN
        await redis.aclose()

    world.run(story)


def test_a_resumed_provider_gets_waiting_messages_and_its_history_names_the_operators(
    world: World,
) -> None:
    async def story() -> None:
        paused = await providers.set_override(world.ctx, "sim", Override.PAUSED, reason="bills", by="ann")
        assert str(paused.state) == "paused"
        [message] = (await world.submit()).messages
        await world.deliver()
        assert (await world.row(message.id)).place == Place.HELD
        resumed = await providers.set_override(world.ctx, "sim", Override.NONE, by="bob")
        assert str(resumed.state) == "working"
        assert (await world.row(message.id)).wake_at == world.time.now()
        assert [(turn.to, turn.cause, turn.by) for turn in resumed.history] == [
            (Override.NONE, "", "bob"),
            (Override.PAUSED, "bills", "ann"),
        ]

    world.run(story)


def test_an_override_for_an_unknown_provider_or_with_a_bad_reason_changes_nothing(world: World) -> None:
    async def story() -> None:
        with pytest.raises(NotFound, match="there is no provider 'simm' in DISPATCHER_PROVIDERS"):
            await providers.set_override(world.ctx, "simm", Override.PAUSED, by="ann")
        with pytest.raises(Invalid, match="a reason has up to 200"):
            await providers.set_override(world.ctx, "sim", Override.PAUSED, reason="x" * 201, by="ann")
        assert await world.all("SELECT 1 FROM provider_orders") == []

    world.run(story)


def test_a_report_counts_open_calls_and_recent_outcomes(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit()).messages
        await world.claim(message.id)
        _note(world.ctx.provider_health, *[Accepted(())] * 8, Unsent("x"), seconds=0.03)
        report = await providers.one(world.ctx, "sim")
        assert report.window is not None
        assert (report.in_flight, report.window.tried, report.window.failed) == (1, 9, 1)
        assert (report.window.latency, report.tps) == (timedelta(milliseconds=35), 0.9)
        assert report.latest is None

    world.run(story)


def test_a_trial_message_ignores_overrides_and_leaves_no_rows(world: World) -> None:
    async def story() -> None:
        await providers.set_override(world.ctx, "sim", Override.PAUSED, by="ann")
        trial = await providers.send_test(world.ctx, "sim", "+254712345678", text="Hello", sender="SHOP")
        assert trial.outcome == Accepted((f"ref-{trial.reference}-1",))
        [seen] = world.sim.seen
        assert (seen.to, seen.text, seen.sender, seen.segments) == ("+254712345678", "Hello", "SHOP", 1)
        assert await world.all("SELECT 1 FROM messages") == []
        for number, text in (("0712345678", "Hello"), ("+254712345678", "\0"), ("+254712345678", "")):
            with pytest.raises(Invalid):
                await providers.send_test(world.ctx, "sim", number, text=text)
        assert len(world.sim.seen) == 1

    world.run(story)


def test_a_refresh_that_keeps_failing_is_noted(world: World) -> None:
    async def story() -> None:
        health, failed = world.ctx.provider_health, asyncio.Event()
        configs = [configured.config for configured in world.ctx.providers.values()]
        noted: list[tuple[str, BaseException]] = []

        def note(task: str, error: BaseException) -> None:
            noted.append((task, error))
            failed.set()

        other = ProviderHealth(
            configs, world.ctx.database, health.breakers, wake=world.lanes.wake, on_failure=note
        )
        await world.all("ALTER TABLE provider_orders RENAME TO renamed")
        try:
            other.start()
            async with asyncio.timeout(10):
                await failed.wait()
            await other.close()
        finally:
            await world.all("ALTER TABLE renamed RENAME TO provider_orders")
        assert noted[0][0] == "provider health"

    world.run(story)
