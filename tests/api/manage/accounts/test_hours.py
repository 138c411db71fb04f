"""Allowed hours over the management API."""

import pytest

from dispatcher.domain.hours.allowed_hours import parse_hours
from dispatcher.domain.tier import Tier
from tests.api.manage.client import SHOP, ManagementClient, manage
from tests.world import World

HOURS = f"{SHOP}/hours"
DAYTIME = {"mon-fri": ["08:00-20:00"], "holidays": ["2030-12-25"], "zone": None}
NONE = [{"tier": tier, "is_own": False, "hours": None} for tier in Tier]


def test_hours_of_an_account_are_those_of_standard_and_bulk(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        assert await office.get(HOURS) == {"items": NONE}
        put = await office.ask("PUT", HOURS, 200, json=DAYTIME)
        own = [{"tier": tier, "is_own": True, "hours": DAYTIME} for tier in ("standard", "bulk")]
        assert put == await office.get(HOURS) == {"items": [NONE[0], *own]}
        await office.ask("DELETE", HOURS, 204)
        assert await office.get(HOURS) == {"items": NONE}

    manage(world, story)


def test_hours_of_a_tier_are_set_alone(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        put = await office.ask("PUT", f"{HOURS}/critical", 200, json={"mon-sun": ["07:00-22:00"]})
        assert put["hours"] == {"mon-sun": ["07:00-22:00"], "holidays": [], "zone": None}
        assert await office.get(f"{HOURS}/critical") == put
        assert (await office.get(HOURS))["items"] == [put, *NONE[1:]]
        await office.ask("DELETE", f"{HOURS}/critical", 204)
        assert await office.get(f"{HOURS}/critical") == NONE[0]

    manage(world, story)


def test_hours_of_the_settings_are_shown_as_not_the_accounts_own(world: World) -> None:
    world.settings = world.settings.model_copy(update={"hours": {Tier.BULK: parse_hours(DAYTIME)}})

    async def story(office: ManagementClient) -> None:
        shown = await office.get(f"{HOURS}/bulk")
        assert shown == {"tier": "bulk", "is_own": False, "hours": DAYTIME}

    manage(world, story)


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
def test_hours_that_cannot_be_are_refused_and_change_nothing(
    world: World, body: dict[str, object], words: str
) -> None:
    async def story(office: ManagementClient) -> None:
        for path in (HOURS, f"{HOURS}/bulk"):
            assert words in await office.refused("PUT", path, 400, json=body)
        assert await office.get(HOURS) == {"items": NONE}

    manage(world, story)


def test_hours_are_of_an_account_and_a_tier_that_there_are(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        await office.refused("GET", "/accounts/nobody/hours", 404)
        await office.refused("PUT", f"{HOURS}/urgent", 404, json=DAYTIME)

    manage(world, story)
