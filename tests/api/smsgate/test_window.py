"""SMS Gateway's messages go out from scheduleAt, until validUntil or a ttl."""

from datetime import timedelta

from tests.api.client import ApiClient
from tests.api.smsgate.client import later, run_with_api, send
from tests.world import World


def test_schedule_at_holds_a_message_and_valid_until_ends_it(world: World) -> None:
    async def story(api: ApiClient) -> None:
        answer = await send(api, scheduleAt=later(api, hours=1), validUntil=later(api, hours=2))
        assert answer["state"] == "Pending"
        row = await api.world.one("SELECT status, not_before, not_after FROM messages")
        now = api.world.time.now()
        assert row.status == 10
        assert (row.not_before - now, row.not_after - now) == (timedelta(hours=1), timedelta(hours=2))

    run_with_api(world, story)


def test_a_time_without_a_zone_is_utc_and_nanoseconds_are_read(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await send(api, scheduleAt="2026-12-31T08:30:00", validUntil="2027-01-01T00:00:00.123456789+03:00")
        row = await api.world.one("SELECT not_before, not_after FROM messages")
        assert row.not_before.isoformat() == "2026-12-31T08:30:00+00:00"
        assert row.not_after.isoformat() == "2026-12-31T21:00:00.123456+00:00"

    world.time.at = world.time.at.replace(year=2026, month=6, day=1)
    run_with_api(world, story)


def test_valid_until_may_be_the_moment_of_schedule_at(world: World) -> None:
    async def story(api: ApiClient) -> None:
        at = later(api, hours=1)
        await send(api, scheduleAt=at, validUntil=at)
        row = await api.world.one("SELECT not_after - not_before AS window FROM messages")
        assert row.window == timedelta(seconds=1)

    run_with_api(world, story)


def test_a_ttl_counts_from_now_and_the_longest_is_cut(world: World) -> None:
    async def story(api: ApiClient) -> None:
        for ttl, expected in [(5, timedelta(seconds=5)), (2**64 - 1, timedelta(days=36_525))]:
            await send(api, ttl=ttl)
            row = await api.world.one("SELECT not_after FROM messages ORDER BY id DESC LIMIT 1")
            assert row.not_after - api.world.time.now() == expected

    run_with_api(world, story)


def test_without_ttl_and_valid_until_the_tier_has_the_validity(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await send(api)
        row = await api.world.one("SELECT not_after FROM messages")
        assert row.not_after - api.world.time.now() == timedelta(hours=24)

    run_with_api(world, story)
