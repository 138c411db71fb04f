"""
Messages that wait for something go on within two seconds of its end.

Another process learns of the end later, and holds messages again until it does.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.domain.delivery.provider import Accepted, Deferred, ProviderConfig, Traffic
from dispatcher.domain.hours.allowed_hours import AllowedHours, parse_hours
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.routing.provider_state import BreakerPhase, Override
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import hours
from dispatcher.service.context import Context
from dispatcher.service.provider_health import ProviderHealth
from dispatcher.service.route_cache import RouteCache
from dispatcher.service.routing import providers, routes
from tests.world import ScriptedProvider, World

NUMBERS = [f"+25471234560{n}" for n in range(6)]
SECOND = timedelta(seconds=1)


def another_process(world: World) -> Context:
    """Return the context of another process, with its own knowledge of providers and routes."""
    ctx = world.ctx
    configs = [configured.config for configured in ctx.providers.values()]
    health = ProviderHealth(configs, ctx.database, ctx.provider_health.breakers, wake=world.lanes.wake)
    return replace(ctx, provider_health=health, provider_states=health.states, routes=RouteCache())


async def learn(*processes: Context) -> None:
    """Let processes read the states of all providers and the routes, as each does twice a second."""
    for ctx in processes:
        await ctx.provider_health.refresh()
        await ctx.provider_health.wait_until_released()
        await routes.refresh(ctx)


async def deliver(ctx: Context, ids: Sequence[int]) -> None:
    world = World(ctx.settings)
    world.ctx = ctx
    async with world.worker() as worker:
        await worker.deliver(ids)


async def go_on(world: World, ctx: Context) -> None:
    """Release what is due, and deliver it in one of the processes."""
    await world.clock.release()
    await world.clock.fill()
    await deliver(ctx, world.lanes.take())


async def places(world: World) -> set[str]:
    return {row.place for row in await world.all("SELECT place FROM messages")}


async def sent(world: World) -> int:
    return len(await world.all("SELECT 1 FROM messages WHERE status = 12"))


Step = Callable[[World], Awaitable[None]]


def _override(override: Override) -> Step:
    async def step(world: World) -> None:
        await providers.set_override(world.ctx, "sim", override, by="ann", confirmed=True)

    return step


ENDS = {
    "resumed": (_override(Override.PAUSED), _override(Override.NONE)),
    "drain_over": (_override(Override.DRAINED), _override(Override.NONE)),
    "pinned": (_override(Override.PAUSED), _override(Override.PINNED)),
    "resumed_from_drain_by_pin": (_override(Override.DRAINED), _override(Override.PINNED)),
}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("tier", [Tier.CRITICAL, Tier.STANDARD])
def test_what_a_process_that_learns_late_holds_again_goes_on_when_it_learns(
    world: World, tier: Tier, name: str
) -> None:
    begin, end = ENDS[name]

    async def story() -> None:
        other = another_process(world)
        await world.submit(NUMBERS, tier=tier)
        await begin(world)
        await learn(world.ctx, other)
        await deliver(world.ctx, world.lanes.take())
        assert await places(world) == {Place.HELD}
        await end(world)
        await learn(world.ctx)
        world.time.advance(0.5 * SECOND)
        await go_on(world, other)  # which does not know yet
        assert await sent(world) == 0
        await learn(other)
        world.time.advance(0.5 * SECOND)
        await go_on(world, other)
        assert await sent(world) == len(NUMBERS)

    world.run(story)


def test_what_a_process_held_that_ended_before_it_learned_goes_on_when_another_starts(world: World) -> None:
    async def story() -> None:
        other = another_process(world)
        await world.submit(NUMBERS, tier=Tier.CRITICAL)
        await _override(Override.PAUSED)(world)
        await learn(world.ctx, other)
        await _override(Override.NONE)(world)
        await learn(world.ctx)
        await deliver(other, world.lanes.take())  # and it is killed then
        assert await places(world) == {Place.HELD}
        await learn(another_process(world))
        world.time.advance(SECOND)
        await go_on(world, world.ctx)
        assert await sent(world) == len(NUMBERS)

    world.run(story)


def test_what_waits_for_an_open_breaker_goes_on_when_it_closes(world: World) -> None:
    async def story() -> None:
        other, health = another_process(world), world.ctx.provider_health
        health.tallies["sim"].add([Deferred("busy", after=SECOND)] * 10, seconds=0.01, segments=10)
        await learn(world.ctx, other)
        await world.submit(NUMBERS, tier=Tier.CRITICAL)
        await deliver(other, world.lanes.take())
        assert await places(world) == {Place.HELD}
        while world.ctx.provider_states["sim"].breaker is BreakerPhase.OPEN:
            await learn(world.ctx)
        health.tallies["sim"].add([Accepted(())] * 5, seconds=0.01, segments=5)
        await learn(world.ctx, other)
        assert world.ctx.provider_states["sim"].breaker is BreakerPhase.CLOSED
        world.time.advance(2 * SECOND)
        await go_on(world, other)
        assert await sent(world) == len(NUMBERS)

    world.run(story)


def test_routes_that_are_set_anew_end_the_wait_for_a_provider_of_the_old_ones(world: World) -> None:
    second = world.providers["second"] = ScriptedProvider()
    world.configs["second"] = ProviderConfig("second", "test", {}, tps=10_000, takes=Traffic.BOTH)

    async def story() -> None:
        await routes.set_table(world.ctx, {"rules": [{"ways": [["sim"]]}]}, by="ann")
        other = another_process(world)
        await _override(Override.PAUSED)(world)
        await learn(world.ctx, other)
        await world.submit(NUMBERS, tier=Tier.CRITICAL)
        await deliver(world.ctx, world.lanes.take())
        assert await places(world) == {Place.HELD}
        await routes.set_table(world.ctx, {"rules": [{"ways": [["second"]]}]}, by="ann")
        world.time.advance(0.5 * SECOND)
        await go_on(world, other)  # which still has the old ones
        assert not second.seen
        await learn(other)
        world.time.advance(0.5 * SECOND)
        await go_on(world, other)
        assert len(second.seen) == len(NUMBERS)

    world.run(story)


@pytest.mark.parametrize("new", [None, parse_hours({"mon-sun": ["00:00-24:00"]})])
def test_hours_that_are_set_anew_end_the_wait_for_the_old_ones(
    world: World, new: AllowedHours | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hours, "_BATCH", 2)

    async def story() -> None:
        account = world.caller.account
        await world.submit(NUMBERS, until=timedelta(days=3))
        tomorrow = (world.time.now() + timedelta(days=1)).strftime("%a").lower()
        closed = parse_hours({tomorrow: ["00:00-24:00"], "zone": "UTC"})
        await hours.set(world.ctx, account, [Tier.STANDARD], closed)
        accepted = (await world.submit(NUMBERS, until=timedelta(days=3))).messages
        later = (await world.submit(NUMBERS[:1], after=timedelta(hours=2), until=timedelta(days=3))).messages
        await world.deliver()
        assert await places(world) == {Place.HELD}
        await hours.set(world.ctx, account, [Tier.STANDARD], new)
        world.time.advance(SECOND)
        await go_on(world, world.ctx)
        assert await sent(world) == len(NUMBERS) + len(accepted)
        row = await world.row(later[0].id)
        assert (row.status, row.wake_at) == (Status.SCHEDULED, row.not_before)

    world.run(story)


def test_hours_of_another_tier_or_account_end_no_wait(world: World) -> None:
    async def story() -> None:
        account = world.caller.account
        tomorrow = (world.time.now() + timedelta(days=1)).strftime("%a").lower()
        closed = parse_hours({tomorrow: ["00:00-24:00"], "zone": "UTC"})
        await hours.set(world.ctx, account, [Tier.STANDARD], closed)
        await world.submit(NUMBERS, until=timedelta(days=3))
        other = await world.another_account("other")
        await hours.set(world.ctx, other.account, [Tier.STANDARD], None)
        await hours.set(world.ctx, account, [Tier.BULK], None)
        await hours.set(world.ctx, account, [Tier.STANDARD], closed)
        world.time.advance(SECOND)
        await go_on(world, world.ctx)
        assert await places(world) == {Place.HELD}
        assert all(row.wake_at > world.time.now() for row in await world.all("SELECT wake_at FROM messages"))

    world.run(story)
