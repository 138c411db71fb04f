"""SMS Scheduler's delivery_date: in whose time, how far ahead, and for how long it is good."""

from datetime import UTC, datetime, timedelta

from tests.api.client import ApiClient, run_with_api
from tests.api.scheduler.sample import create_one, later, refused
from tests.world import World


def test_a_date_in_the_past_sends_at_once(world: World) -> None:
    async def story(api: ApiClient) -> None:
        for past in ["2020-12-25 12:45:59", "0001-01-01 00:00:00", "0001-01-01T00:00:00+14:00", 0, -(10**30)]:
            assert await api.status(await create_one(api, delivery_date=past)) == 11

    run_with_api(world, story)


def test_a_date_in_the_future_is_scheduled(world: World) -> None:
    async def story(api: ApiClient) -> None:
        sms_id = await create_one(api, delivery_date=later(api))
        row = await api.world.row(sms_id)
        assert (row.status, row.place) == (10, "held")
        assert row.not_before == datetime.fromisoformat(later(api)).replace(tzinfo=UTC)

    run_with_api(world, story)


async def _live_in(api: ApiClient, zone: str) -> None:
    await api.world.one("UPDATE accounts SET timezone = :zone RETURNING id", zone=zone)


async def _not_before(api: ApiClient, delivery_date: object) -> datetime:
    row = await api.world.row(await create_one(api, delivery_date=delivery_date))
    assert isinstance(row.not_before, datetime)
    return row.not_before


def test_a_date_is_read_in_the_accounts_time_zone(world: World) -> None:
    world.time.at = datetime(2030, 1, 1, tzinfo=UTC)

    async def story(api: ApiClient) -> None:
        await _live_in(api, "Europe/Paris")
        assert await _not_before(api, "2030-07-01 12:00:00") == datetime(2030, 7, 1, 10, tzinfo=UTC)

    run_with_api(world, story)


def test_a_date_that_a_summer_time_skips_means_the_first_valid_instant(world: World) -> None:
    world.time.at = datetime(2030, 1, 1, tzinfo=UTC)

    async def story(api: ApiClient) -> None:
        await _live_in(api, "Europe/Paris")
        assert await _not_before(api, "2030-03-31 02:30:00") == datetime(2030, 3, 31, 1, tzinfo=UTC)

    run_with_api(world, story)


def test_an_offset_in_the_date_counts_more_than_the_accounts_zone(world: World) -> None:
    world.time.at = datetime(2030, 1, 1, tzinfo=UTC)

    async def story(api: ApiClient) -> None:
        await _live_in(api, "Europe/Paris")
        noon = datetime(2030, 7, 1, 12, tzinfo=UTC)
        assert await _not_before(api, "2030-07-01T12:00:00Z") == noon
        assert await _not_before(api, "2030-07-01T15:00:00+03:00") == noon
        assert await _not_before(api, int(noon.timestamp())) == noon
        assert await _not_before(api, noon.timestamp() + 0.5) == noon + timedelta(seconds=0.5)

    run_with_api(world, story)


def test_a_message_is_good_for_72_hours_after_its_delivery_date(world: World) -> None:
    async def story(api: ApiClient) -> None:
        row = await api.world.row(await create_one(api, delivery_date=later(api)))
        assert row.not_after - row.not_before == timedelta(hours=72)

    run_with_api(world, story)


def test_the_accounts_own_validity_counts_more_than_72_hours(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await api.world.one("UPDATE accounts SET standard_validity = '2 hours' RETURNING id")
        row = await api.world.row(await create_one(api))
        assert row.not_after - row.not_before == timedelta(hours=2)

    run_with_api(world, story)


def test_a_date_two_years_ahead_is_refused(world: World) -> None:
    async def story(api: ApiClient) -> None:
        message = 'The field "delivery_date" is too far ahead: at most 731 days'
        far = [later(api, 24 * 732), "9999-12-31 23:59:59", "9999-12-31T23:59:59-14:00", 10**30]
        for date in far:
            assert await refused(api, delivery_date=date) == {"delivery_date": [message]}
        await _live_in(api, "America/New_York")
        assert await refused(api, delivery_date="9999-12-31 23:59:59") == {"delivery_date": [message]}

    run_with_api(world, story)
