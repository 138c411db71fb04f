"""A drain of a last way says what it would do before it is done, and must be confirmed."""

from datetime import timedelta

import pytest

from dispatcher.domain.errors import NotConfirmed
from dispatcher.domain.messages.status import Status
from dispatcher.domain.routing.provider_state import Override
from dispatcher.service.routing import providers, routes
from dispatcher.service.routing.drains import drain_effect
from tests.world import ScriptedProvider, World

HOUR = timedelta(hours=1)


async def _drain(world: World, name: str = "sim", *, confirmed: bool = False) -> None:
    await providers.set_override(world.ctx, name, Override.DRAINED, by="ada", confirmed=confirmed)


def test_a_drain_of_the_last_way_is_refused_with_its_effect_and_changes_nothing(world: World) -> None:
    async def story() -> None:
        await world.submit(after=HOUR)
        await world.submit()
        with pytest.raises(NotConfirmed) as refused:
            await _drain(world)
        assert str(refused.value) == (
            "sim is the last way of some messages: new messages to all countries are refused with"
            " 28 No route; 2 accepted messages wait until the drain ends"
        )
        assert await world.all("SELECT 1 FROM provider_orders") == []

    world.run(story)


def test_a_confirmed_drain_does_what_it_said(world: World) -> None:
    async def story() -> None:
        accepted = (await world.submit()).messages[0]
        await _drain(world, confirmed=True)
        await world.deliver()
        refused = (await world.submit()).messages[0]
        assert (await world.row(accepted.id)).waits_for == "sim drained by ada"
        assert (await world.row(refused.id)).status == Status.NO_ROUTE

    world.run(story)


def test_a_drain_that_leaves_every_message_another_way_needs_no_confirmation(world: World) -> None:
    world.providers["other"] = ScriptedProvider()

    async def story() -> None:
        await world.submit()
        await _drain(world)
        with pytest.raises(NotConfirmed):
            await _drain(world, "other")

    world.run(story)


def test_only_messages_whose_route_ends_are_counted(world: World) -> None:
    world.providers["other"] = ScriptedProvider()

    async def story() -> None:
        rules = [{"countries": ["KE"], "ways": [["sim"]]}, {"ways": [["other", "sim"]]}]
        await routes.set_table(world.ctx, {"rules": rules}, by="ada")
        await world.submit(["+254712345678", "+254712345679", "+447400123456"])
        effect = await drain_effect(world.ctx, "sim")
        assert (list(effect.refused), effect.waiting) == (["messages to KE (rule 1)"], 2)
        await world.submit()
        await world.deliver()  # what a provider has, or has refused, waits for none
        assert (await drain_effect(world.ctx, "sim")).waiting == 0

    world.run(story)


def test_a_pause_needs_no_confirmation(world: World) -> None:
    async def story() -> None:
        await world.submit()
        await providers.set_override(world.ctx, "sim", Override.PAUSED, by="ada")

    world.run(story)
