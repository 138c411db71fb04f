"""Providers over the management API."""

import pytest

from tests.api.manage.client import PREFIX, ManagementClient, manage
from tests.world import World


def test_a_paused_provider_is_shown_with_who_paused_it_and_why(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        paused = await office.post("/providers/sim/pause", {"reason": "bills"})
        assert (paused["name"], paused["order"], paused["breaker"]) == ("sim", "paused", "closed")
        [shown] = (await office.http.get(f"{PREFIX}/providers")).json()
        assert shown["order"] == "paused"
        [turn] = shown["story"]
        assert (turn["to"], turn["cause"], turn["by"]) == ("paused", "bills", "robot")
        assert shown["window"]["tried"] == 0

    manage(world, story)


@pytest.mark.parametrize(
    ("verb", "order"),
    [("pause", "paused"), ("resume", "none"), ("drain", "drained"), ("pin", "pinned"), ("unpin", "none")],
)
def test_each_verb_orders_what_it_says(world: World, verb: str, order: str) -> None:
    async def story(office: ManagementClient) -> None:
        assert (await office.post(f"/providers/sim/{verb}"))["order"] == order
        assert world.ctx.provider_states["sim"].override == order

    manage(world, story)


def test_a_provider_or_a_verb_that_is_none_changes_nothing(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        assert "no provider 'simm'" in await office.refused("POST", "/providers/simm/pause", 404, json={})
        await office.refused("POST", "/providers/sim/delete", 404, json={})
        await office.refused("POST", "/providers/sim/pause", 400, json={"reason": "x" * 201})
        assert await world.all("SELECT 1 FROM provider_orders") == []

    manage(world, story)
