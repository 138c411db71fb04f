"""Releases over open time: exact, in order, only in allowed hours, and counted consistently."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.campaigns.pacing import Pacing, Rate, Spread
from dispatcher.domain.campaigns.timetable import Timetable, parse_zone_group
from dispatcher.domain.hours.allowed_hours import AllowedHours, closing, opening, parse_hours
from dispatcher.domain.hours.open_time import OpenTime

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
SECOND, HOUR, DAY, TICK = (
    timedelta(seconds=1),
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(microseconds=1),
)
PARIS, NEW_YORK, UTC_ZONE = ZoneInfo("Europe/Paris"), ZoneInfo("America/New_York"), ZoneInfo("UTC")
OFFICE = parse_hours({"mon-fri": ["08:00-12:00", "13:00-17:00"]})

starts = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
lengths = st.timedeltas(timedelta(), timedelta(days=30))
hours_set = st.sampled_from(
    [None, OFFICE, parse_hours({"sat": ["22:00-02:00"]}), parse_hours({"mon-sun": ["00:00-24:00"]})]
)
zones_set = st.sampled_from([(PARIS,), (NEW_YORK,), (PARIS, NEW_YORK), (UTC_ZONE,)])
pacings = st.one_of(
    st.none(),
    st.timedeltas(TICK, timedelta(days=20)).map(Spread),
    st.floats(0.01, 1000).map(lambda n: Rate(round(n, 3))),
)


def test_open_time_skips_what_is_closed() -> None:
    time = OpenTime(OFFICE, (UTC_ZONE,), start=MONDAY)
    assert [time.at(n * HOUR) for n in (0, 3, 4, 8, 40)] == [
        MONDAY + 8 * HOUR,
        MONDAY + 11 * HOUR,
        MONDAY + 13 * HOUR,  # at the closing: when it opens again
        MONDAY + DAY + 8 * HOUR,
        MONDAY + 7 * DAY + 8 * HOUR,
    ]


def test_a_pause_is_not_open_time_in_any_zone() -> None:
    # Paused from Monday 16:00 to Tuesday 09:00: one open hour was left of Monday, in New York five.
    pause = (MONDAY + 16 * HOUR, MONDAY + 33 * HOUR)
    here = OpenTime(OFFICE, (UTC_ZONE,), start=MONDAY, pauses=[pause])
    assert [here.at(n * HOUR) for n in (6, 7, 8)] == [
        MONDAY + 15 * HOUR,
        MONDAY + DAY + 9 * HOUR,
        MONDAY + DAY + 10 * HOUR,
    ]
    there = OpenTime(OFFICE, (NEW_YORK,), start=MONDAY, pauses=[pause])
    assert [there.at(n * HOUR) for n in (2, 3)] == [MONDAY + 15 * HOUR, MONDAY + DAY + 13 * HOUR]
    assert here.closes(7 * HOUR) == MONDAY + DAY + 12 * HOUR
    assert here.closes(6 * HOUR) == MONDAY + 17 * HOUR


@given(starts, lengths, st.lists(st.tuples(lengths, lengths), max_size=3), lengths)
def test_without_hours_times_move_by_the_pauses_before_them(
    start: datetime, first: timedelta, pauses_before: list[tuple[timedelta, timedelta]], passed: timedelta
) -> None:
    pauses: list[tuple[datetime, datetime]] = []
    at = start + first
    for gap, length in pauses_before:
        pauses.append((at + gap, at + gap + length))
        at = pauses[-1][1] + TICK
    expected = start + passed
    for since, until in pauses:
        if since <= expected:
            expected += until - since
    assert OpenTime(None, (), start=start, pauses=pauses).at(passed) == expected


def test_hours_that_never_open_have_no_time_and_are_over() -> None:
    far = OpenTime(parse_hours({"mon": ["08:00-09:00"]}), (UTC_ZONE, ZoneInfo("Asia/Tokyo")), start=MONDAY)
    assert far.at(timedelta()) is None
    assert far.is_over(MONDAY)
    assert not OpenTime(OFFICE, (UTC_ZONE,), start=MONDAY).is_over(MONDAY + 100 * DAY)
    assert not OpenTime(None, (), start=MONDAY).is_over(MONDAY + 100 * DAY)


@given(hours_set, zones_set, starts, lengths)
def test_elapsed_is_the_inverse_of_at(
    hours: AllowedHours | None, zones: tuple[ZoneInfo, ...], start: datetime, passed: timedelta
) -> None:
    time = OpenTime(hours, zones, start=start)
    at = time.at(passed)
    if at is None:
        return
    assert at >= start + passed
    assert OpenTime(hours, zones, start=start).elapsed(at) == passed
    if hours is not None:
        assert opening(hours, zones, at=at) == at
        assert time.closes(passed) == closing(hours, zones, at=at)
        assert OpenTime(hours, zones, start=start).elapsed(at - TICK) in (passed, passed - TICK, timedelta())


@given(hours_set, pacings, starts, st.lists(st.integers(0, 40), min_size=1, max_size=3), lengths)
def test_released_before_counts_the_release_times(
    hours: AllowedHours | None, pacing: Pacing, start: datetime, counts: list[int], later: timedelta
) -> None:
    groups = ((PARIS,), (NEW_YORK,), (UTC_ZONE,))[: len(counts)]
    plan = Timetable(start, pacing, hours, groups, tuple(counts))
    before = start + later
    for group, count in enumerate(counts):
        releases = [plan.release(group, rank) for rank in range(count)]
        times = [release.at for release in releases if release is not None]
        assert len(times) == count
        assert times == sorted(times)
        assert plan.released_before(group, before) == sum(at < before for at in times)


def test_groups_share_the_rate_and_each_has_its_own_hours() -> None:
    plan = Timetable(MONDAY, Rate(1), OFFICE, ((NEW_YORK,), (UTC_ZONE,)), (10, 30))
    opens = MONDAY + 13 * HOUR  # 08:00 in New York
    assert [plan.release(0, rank) for rank in (0, 9)] == [
        (opens, opens + 4 * HOUR),
        (opens + 36 * SECOND, opens + 4 * HOUR),
    ]
    assert plan.release(1, 27) == (MONDAY + 8 * HOUR + 36 * SECOND, MONDAY + 12 * HOUR)
    assert plan.last() == opens + 36 * SECOND


def test_without_hours_the_zones_do_not_matter_and_nothing_closes() -> None:
    plan = Timetable(MONDAY, Spread(HOUR), None, ((NEW_YORK,), (UTC_ZONE,)), (2, 4))
    assert plan.release(0, 1) == plan.release(1, 2) == (MONDAY + HOUR / 2, None)


def test_recipients_whose_hours_never_open_count_as_released_but_have_no_time() -> None:
    mondays = parse_hours({"mon": ["08:00-09:00"]})
    plan = Timetable(MONDAY, Spread(HOUR), mondays, ((UTC_ZONE, ZoneInfo("Asia/Tokyo")), (UTC_ZONE,)), (3, 1))
    assert plan.never_open() == ["UTC, Asia/Tokyo"]
    assert plan.release(0, 0) is None
    assert plan.released_before(0, MONDAY) == 3
    assert plan.last() == MONDAY + 8 * HOUR


def test_a_group_of_zones_is_its_names_joined_by_commas() -> None:
    assert parse_zone_group("Europe/Paris,America/New_York") == (PARIS, NEW_YORK)
