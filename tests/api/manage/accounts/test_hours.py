"""Allowed hours over the management API."""

import pytest

from dispatcher.domain.hours.allowed_hours import parse_hours
from dispatcher.domain.tier import Tier
from tests.api.manage.client import SHOP, ManagementClient, run_with_api
from tests.world import World

HOURS = f"{SHOP}/hours"
DAYTIME = {"mon-fri": ["08:00-20:00"], "holidays": ["2030-12-25"], "zone": None}
NONE = [{"tier": tier, "is_own": False, "hours": None} for tier in Tier]


def test_hours_of_an_account_are_those_of_standard_and_bulk(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        assert await api.get(HOURS) == {"items": NONE}
        put = await api.request("PUT", HOURS, 200, json=DAYTIME)
        own = [{"tier": tier, "is_own": True, "hours": DAYTIME} for tier in ("standard", "bulk")]
        assert put == await api.get(HOURS) == {"items": [NONE[0], *own]}
        await api.request("DELETE", HOURS, 204)
        assert await api.get(HOURS) == {"items": NONE}

    run_with_api(world, story)


def test_hours_of_a_tier_are_set_alone(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        put = await api.request("PUT", f"{HOURS}/critical", 200, json={"mon-sun": ["07:00-22:00"]})
        assert put["hours"] == {"mon-sun": ["07:00-22:00"], "holidays": [], "zone": None}
        assert await api.get(f"{HOURS}/critical") == put
        assert (await api.get(HOURS))["items"] == [put, *NONE[1:]]
        await api.request("DELETE", f"{HOURS}/critical", 204)
        assert await api.get(f"{HOURS}/critical") == NONE[0]

    run_with_api(world, story)


def test_hours_of_the_settings_are_shown_as_not_the_accounts_own(world: World) -> None:
    world.settings = world.settings.model_copy(update={"hours": {Tier.BULK: parse_hours(DAYTIME)}})

    async def story(api: ManagementClient) -> None:
        shown = await api.get(f"{HOURS}/bulk")
        assert shown == {"tier": "bulk", "is_own": False, "hours": DAYTIME}

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "no day has hours"),
        ({"funday": ["08:00-20:00"]}, '"funday" is not a day'),
        ({"mon": ["8-20"]}, "not a span of time"),
        ({"mon": "08:00-20:00"}, "mon"),
        ({"mon": ["08:00-20:00"], "zone": "Paris"}, '"Paris" is not a time zone'),
        ({"mon": ["08:00-20:00"], "holidays": ["soon"]}, "holidays"),
    ],
)
def test_invalid_hours_are_refused_and_change_nothing(
    world: World, body: dict[str, object], words: str
) -> None:
    async def story(api: ManagementClient) -> None:
        for path in (HOURS, f"{HOURS}/bulk"):
            assert words in await api.refused("PUT", path, 400, json=body)
        assert await api.get(HOURS) == {"items": NONE}

    run_with_api(world, story)


def test_hours_are_of_an_account_and_a_tier_that_there_are(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await api.refused("GET", "/accounts/nobody/hours", 404)
        await api.refused("PUT", f"{HOURS}/urgent", 404, json=DAYTIME)

    run_with_api(world, story)
