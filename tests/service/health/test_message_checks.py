"""What `/readyz` and the doctor say of messages that wait for providers, and of those that are overdue."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from dispatcher.domain.delivery.provider import Accepted, Deferred, Outcome, Rejected
from dispatcher.domain.messages.status import Status
from dispatcher.domain.routing.provider_state import Override
from dispatcher.domain.tier import TIER_LIMITS, Tier
from dispatcher.service.health.finding import Finding, Level
from dispatcher.service.health.message_checks import delayed
from dispatcher.service.health.readiness import readiness
from dispatcher.service.routing import providers
from tests.world import ScriptedProvider, World

HOUR = timedelta(hours=1)


async def _faults(world: World, *, count_up_to: int = 1000) -> Sequence[Finding]:
    found = await delayed(world.ctx, count_up_to=count_up_to)
    return [finding for finding in found if finding.level is not Level.OK]


async def _hold_behind(world: World, override: Override, *, messages: int) -> None:
    await providers.set_override(world.ctx, "sim", override, reason="unpaid bill", by="ada")
    for _ in range(messages):
        await world.submit()
    await world.deliver()


def test_messages_that_wait_for_a_paused_provider_are_counted_with_the_reason(world: World) -> None:
    async def story() -> None:
        await _hold_behind(world, Override.PAUSED, messages=3)
        world.time.advance(timedelta(seconds=90))
        [found] = await _faults(world)
        assert (found.subject, found.level) == ("provider sim", Level.FAIL)
        assert found.text.startswith("3 messages wait, the oldest for 1 min")
        assert ": sim is paused by ada (unpaid bill) for 1 min" in found.text
        assert found.advice == "`dispatcher provider resume sim`"
        assert str(found) in (await readiness(world.ctx)).degraded
        assert (await readiness(world.ctx)).is_ready

    world.run(story)


def test_a_process_that_does_not_know_the_override_shows_what_the_message_was_held_for(world: World) -> None:
    async def story() -> None:
        await _hold_behind(world, Override.PAUSED, messages=1)
        world.ctx.provider_health.states.clear()
        [found] = await _faults(world)
        assert found.text.startswith("1 message waits, ")
        assert "sim is paused by ada (unpaid bill)" in found.text
        assert found.advice == "`dispatcher provider resume sim`"

    world.run(story)


def test_each_provider_of_a_waiting_message_has_its_state_and_its_command(world: World) -> None:
    world.providers["other"] = ScriptedProvider()

    async def story() -> None:
        await providers.set_override(world.ctx, "other", Override.PAUSED, reason="test", by="bob")
        await _hold_behind(world, Override.PAUSED, messages=1)
        [found] = await _faults(world)
        assert found.subject == "provider other, sim"
        assert "other is paused by bob (test)" in found.text
        assert "sim is paused by ada (unpaid bill)" in found.text
        assert found.advice == "`dispatcher provider resume other`; `dispatcher provider resume sim`"

    world.run(story)


def test_the_count_is_bounded(world: World) -> None:
    async def story() -> None:
        await _hold_behind(world, Override.PAUSED, messages=3)
        [found] = await _faults(world, count_up_to=2)
        assert found.text.startswith("2 or more messages wait")

    world.run(story)


def test_a_pause_for_which_nothing_waits_is_no_finding(world: World) -> None:
    async def story() -> None:
        await providers.set_override(world.ctx, "sim", Override.PAUSED, by="ada")
        assert await _faults(world) == []

    world.run(story)


@pytest.mark.parametrize("tier", Tier)
def test_a_message_that_no_worker_takes_is_overdue_after_the_time_of_its_tier(
    world: World, tier: Tier
) -> None:
    async def story() -> None:
        await world.submit(tier=tier)
        world.time.advance(TIER_LIMITS[tier].overdue - timedelta(seconds=1))
        assert await _faults(world) == []
        await world.clock.tick()  # back from its lane, and there again: it is due since its acceptance
        world.time.advance(timedelta(seconds=2))
        [found] = await _faults(world)
        assert found.subject == f"tier {tier}"
        assert found.level is (Level.FAIL if tier is Tier.CRITICAL else Level.WARN)
        assert "`dispatcher lanes`" in found.advice

    world.run(story)


def test_a_message_that_the_clock_does_not_release_is_overdue(world: World) -> None:
    async def story() -> None:
        await world.submit(after=HOUR, tier=Tier.CRITICAL)
        world.time.advance(HOUR + timedelta(seconds=5))
        assert await _faults(world) == []
        world.time.advance(timedelta(seconds=20))
        [found] = await _faults(world)
        assert found.text == "the oldest due message has waited for 25 s"

    world.run(story)


def test_the_time_that_a_message_waited_for_a_provider_is_not_counted_again(world: World) -> None:
    async def story() -> None:
        await world.submit(tier=Tier.CRITICAL)
        await providers.set_override(world.ctx, "sim", Override.PAUSED, by="ada")
        await world.deliver()
        world.time.advance(timedelta(minutes=5))
        await providers.set_override(world.ctx, "sim", Override.NONE, by="ada")
        await world.ctx.provider_health.wait_until_released()
        await world.clock.tick()
        world.time.advance(timedelta(seconds=5))
        assert await _faults(world) == []
        world.time.advance(timedelta(seconds=6))
        [found] = await _faults(world)
        assert found.subject == "tier critical"

    world.run(story)


async def _refuse_account(world: World) -> None:
    world.sim.always(Deferred("HTTP 401: wrong key", of_account=True))
    await world.submit()
    await world.deliver()
    await world.ctx.provider_health.refresh()


def test_a_provider_that_refuses_our_credentials_is_named_with_the_messages_that_wait(world: World) -> None:
    async def story() -> None:
        await _refuse_account(world)
        world.time.advance(timedelta(seconds=1))
        [found] = await _faults(world)
        assert (found.subject, found.level) == ("provider sim", Level.FAIL)
        assert found.text == (
            "it has refused our account for 1.0 s: HTTP 401: wrong key; 1 message waits for the next try"
        )
        assert "`dispatcher provider test sim +NUMBER`" in found.advice
        [report] = await providers.every(world.ctx)
        assert report.last_refusal is not None
        assert report.last_refusal.words == "HTTP 401: wrong key"

    world.run(story)


@pytest.mark.parametrize(
    "outcome", [Accepted(("a",)), Rejected(Status.FAILED, "HTTP 400"), Deferred("HTTP 503")]
)
def test_a_provider_that_answers_otherwise_no_longer_refuses_our_account(
    world: World, outcome: Outcome
) -> None:
    async def story() -> None:
        await _refuse_account(world)
        world.sim.always(outcome)
        await world.submit()
        await world.deliver()
        await world.ctx.provider_health.refresh()
        assert await _faults(world) == []
        [report] = await providers.every(world.ctx)
        assert report.last_refusal is not None
        assert report.last_refusal.since is None

    world.run(story)
