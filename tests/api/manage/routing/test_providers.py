"""Providers over the management API."""

import pytest

from dispatcher.domain.delivery.provider import Deferred
from tests.api.manage.client import PREFIX, ManagementClient, run_with_api
from tests.world import World


def test_a_paused_provider_is_shown_with_who_paused_it_and_why(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        paused = await api.post("/providers/sim/pause", {"reason": "bills"})
        assert (paused["name"], paused["order"], paused["breaker"]) == ("sim", "paused", "closed")
        [shown] = (await api.http.get(f"{PREFIX}/providers")).json()
        assert shown["order"] == "paused"
        [turn] = shown["story"]
        assert (turn["to"], turn["cause"], turn["by"]) == ("paused", "bills", "robot")
        assert shown["window"]["tried"] == 0

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("verb", "order"),
    [("pause", "paused"), ("resume", "none"), ("drain", "drained"), ("pin", "pinned"), ("unpin", "none")],
)
def test_each_action_sets_its_override(world: World, verb: str, order: str) -> None:
    async def story(api: ManagementClient) -> None:
        assert (await api.post(f"/providers/sim/{verb}", {"confirm": True}))["order"] == order
        assert world.ctx.provider_states["sim"].override == order

    run_with_api(world, story)


def test_the_last_refusal_of_a_provider_is_shown(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        [shown] = (await api.http.get(f"{PREFIX}/providers")).json()
        assert shown["last_refusal"] is None
        world.sim.always(Deferred("HTTP 401: wrong key", of_account=True))
        await world.submit()
        await world.deliver()
        [shown] = (await api.http.get(f"{PREFIX}/providers")).json()
        refused = shown["last_refusal"]
        assert (refused["outcome"], refused["words"]) == ("deferred", "HTTP 401: wrong key")
        assert refused["of_account"] is True
        assert refused["at"] == refused["since"]

    run_with_api(world, story)


def test_a_drain_of_a_last_way_is_409_until_it_is_confirmed(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        detail = await api.refused("POST", "/providers/sim/drain", 409, json={"reason": "bills"})
        assert (
            "sim is the last way of some messages: new messages to all countries are refused with 28"
            in detail
        )
        assert '"confirm": true' in detail
        assert await world.all("SELECT 1 FROM provider_orders") == []
        assert (await api.post("/providers/sim/drain", {"confirm": True}))["order"] == "drained"

    run_with_api(world, story)


def test_an_unknown_provider_or_action_changes_nothing(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        assert "no provider 'simm'" in await api.refused("POST", "/providers/simm/pause", 404, json={})
        await api.refused("POST", "/providers/sim/delete", 404, json={})
        await api.refused("POST", "/providers/sim/pause", 400, json={"reason": "x" * 201})
        assert await world.all("SELECT 1 FROM provider_orders") == []

    run_with_api(world, story)
