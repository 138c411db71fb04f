"""Campaign schedules: each local time fires once, however clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.campaigns.recurrence import CronSchedule, RunOnce, due_times, next_due
from dispatcher.domain.errors import Invalid
from dispatcher.domain.hours.local_time import first_instant

PARIS = ZoneInfo("Europe/Paris")
NEW_YORK = ZoneInfo("America/New_York")
ZONES = [PARIS, NEW_YORK, *map(ZoneInfo, ["Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "UTC"])]
DAY = timedelta(days=1)
zones = st.sampled_from(ZONES)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def runs(cron: CronSchedule, first: str, last: str) -> list[datetime]:
    """Return the runs from midnight to midnight in the local time of the zone."""
    after, until = (first_instant(datetime.fromisoformat(day), cron.zone) for day in (first, last))
    tick = timedelta(microseconds=1)
    return list(due_times(cron, after=after - tick, until=until - tick))


# Once


def test_a_single_run_is_due_only_before_its_time() -> None:
    once = RunOnce(at("2026-06-01T09:00"))
    assert next_due(once, after=at("2026-06-01T08:59")) == at("2026-06-01T09:00")
    assert next_due(once, after=at("2026-06-01T09:00")) is None


def test_a_single_run_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        RunOnce(at("2026-06-01T09:00").replace(tzinfo=None))


# Again and again


def test_runs_are_after_the_start_and_up_to_and_including_the_end() -> None:
    nine = at("2026-06-01T09:00")
    cron = CronSchedule("0 9 * * *", ZoneInfo("UTC"))
    assert next_due(cron, after=nine - timedelta(microseconds=1)) == nine
    assert next_due(cron, after=nine) == nine + DAY
    assert list(due_times(cron, after=nine, until=nine + 2 * DAY)) == [nine + DAY, nine + 2 * DAY]


def test_the_first_day_and_the_last_are_included() -> None:
    cron = CronSchedule("0 0,23 * * *", PARIS, first=date(2026, 6, 1), last=date(2026, 6, 2))
    walls = [due.astimezone(PARIS).isoformat()[:16] for due in runs(cron, "2026-01-01", "2027-01-01")]
    assert walls == ["2026-06-01T00:00", "2026-06-01T23:00", "2026-06-02T00:00", "2026-06-02T23:00"]
    assert next_due(cron, after=at("2026-06-03T00:00")) is None


@pytest.mark.parametrize("zone", [PARIS, NEW_YORK], ids=str)
@pytest.mark.parametrize("year", range(2024, 2031))
def test_a_weekly_campaign_runs_each_week_at_the_same_local_time(zone: ZoneInfo, year: int) -> None:
    found = [
        due.astimezone(zone)
        for due in runs(CronSchedule("30 9 * * mon", zone), f"{year}-01-01", f"{year + 1}-01-01")
    ]
    days = [date(year, 1, 1) + ahead * DAY for ahead in range(366)]
    mondays = [day for day in days if day.weekday() == 0 and day.year == year]
    assert [due.date() for due in found] == mondays
    assert {due.time() for due in found} == {time(9, 30)}
    assert len(found) in (52, 53)


@pytest.mark.parametrize(
    ("zone", "cron", "first_day", "instants"),
    [
        (PARIS, "30 2 * * *", "2026-03-28", ["28T01:30", "29T01:00", "30T00:30"]),
        (PARIS, "30 2 * * *", "2026-10-24", ["24T00:30", "25T00:30", "26T01:30"]),
        (NEW_YORK, "30 2 * * *", "2026-03-07", ["07T07:30", "08T07:00", "09T06:30"]),
        (NEW_YORK, "30 2 * * *", "2026-11-01", ["01T07:30", "02T07:30", "03T07:30"]),
        (NEW_YORK, "30 1 * * *", "2026-11-01", ["01T05:30", "02T06:30", "03T06:30"]),
    ],
    ids=str,
)
def test_a_daily_run_in_the_hour_that_changes_is_neither_lost_nor_doubled(
    zone: ZoneInfo, cron: str, first_day: str, instants: list[str]
) -> None:
    last_day = (date.fromisoformat(first_day) + 3 * DAY).isoformat()
    assert [f"{due:%dT%H:%M}" for due in runs(CronSchedule(cron, zone), first_day, last_day)] == instants


def test_a_skipped_time_and_the_time_of_the_change_fire_once_together() -> None:
    assert runs(CronSchedule("0 2,3 * * *", PARIS), "2026-03-29", "2026-03-30") == [at("2026-03-29T01:00")]


def test_a_run_every_quarter_pauses_while_an_hour_is_repeated() -> None:
    cron = CronSchedule("*/15 * * * *", PARIS)
    assert len(runs(cron, "2026-10-25", "2026-10-26")) == 24 * 4
    assert next_due(cron, after=at("2026-10-25T00:45")) == at("2026-10-25T02:00")
    assert next_due(cron, after=at("2026-10-25T01:10")) == at("2026-10-25T02:00")


def test_a_run_every_quarter_continues_after_a_skipped_hour() -> None:
    found = runs(CronSchedule("*/15 * * * *", PARIS), "2026-03-29", "2026-03-30")
    assert len(found) == 23 * 4
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=15)}


def test_the_run_of_a_skipped_day_is_at_the_change() -> None:
    found = runs(CronSchedule("0 9 * * *", ZoneInfo("Pacific/Apia")), "2011-12-29", "2012-01-01")
    assert found == [at("2011-12-29T19:00"), at("2011-12-30T10:00"), at("2011-12-30T19:00")]


def test_an_expression_can_have_the_last_day_and_the_second_tuesday_of_a_month() -> None:
    last_days = runs(CronSchedule("0 9 L * *", PARIS), "2026-01-01", "2026-04-01")
    assert [due.day for due in last_days] == [31, 28, 31]
    assert [due.day for due in runs(CronSchedule("0 9 * * tue#2", PARIS), "2026-01-01", "2026-04-01")] == [
        13,
        10,
        10,
    ]


@given(zones, st.times(), st.integers(2011, 2030))
def test_a_daily_run_has_one_instant_for_each_day_of_a_year(zone: ZoneInfo, when: time, year: int) -> None:
    cron = CronSchedule(f"{when.minute} {when.hour} * * *", zone)
    found = runs(cron, f"{year}-03-01", f"{year}-04-15") + runs(cron, f"{year}-09-15", f"{year}-11-15")
    expected = 45 + 61
    assert len(set(found)) == len(found) == expected
    assert (
        sum(due.astimezone(zone).time() == when.replace(second=0, microsecond=0) for due in found)
        >= expected - 4
    )


crons = st.builds(
    "{} {} * * {}".format,
    st.sampled_from(["*", "*/15", "5,30"]),
    st.sampled_from(["*", "1-3", "2"]),
    st.sampled_from(["*", "sun"]),
)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
changes = st.builds(
    lambda day, minutes: day + timedelta(minutes=minutes),
    st.sampled_from(
        [at("2026-03-29"), at("2026-10-25"), at("2026-11-01"), at("2026-03-08"), at("2026-04-04T12:00")]
    ),
    st.integers(-60, 600),
)


@given(crons, zones, moments | changes)
def test_repeated_next_due_gives_the_same_as_due_times(
    expression: str, zone: ZoneInfo, after: datetime
) -> None:
    cron = CronSchedule(expression, zone)
    one_by_one, last = [], after
    for _ in range(20):
        due = next_due(cron, after=last)
        assert due is not None
        assert due > last
        one_by_one.append(due)
        last = due
    assert list(due_times(cron, after=after, until=last)) == one_by_one


@given(crons, zones, changes, st.integers(0, 600))
def test_a_run_does_not_depend_on_the_time_of_the_question(
    expression: str, zone: ZoneInfo, after: datetime, minutes: int
) -> None:
    cron = CronSchedule(expression, zone)
    later, until = after + timedelta(minutes=minutes), after + timedelta(minutes=900)
    from_before = [due for due in due_times(cron, after=after, until=until) if due > later]
    assert from_before == list(due_times(cron, after=later, until=until))


# What is refused


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "must have five fields"),
        ("0 9 * *", "must have five fields, minute hour day month weekday, like"),
        ("0 9 * * mon 30", "must have five fields"),
        ("0 9 * * mon 30 2026", "must have five fields"),
        ("@daily", "must have five fields"),
        ("* " * 101, "must have five fields"),
        ("R 9 * * *", "asks for a random time; write a fixed one"),
        ("0 r(8-20) * * *", "random"),
        ("H 9 * * *", "random"),
        ("0 H/2 * * *", "random"),
        ("60 9 * * *", '"60 9 * * *" is not a cron expression; write minute hour'),
        ("0 9 * * funday", "is not a cron expression"),
        ("0 9 31 2 *", '"0 9 31 2 *" never fires; choose a day that exists'),
        ("0 9 30 2 mon#6", "is not a cron expression"),
    ],
)
def test_an_invalid_expression_is_refused_with_an_example(expression: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        CronSchedule(expression, PARIS)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "expression", ["0 9 * mar thu,fri", "0 9 29 2 *", "*/5 8-19 1,15 * *", "  0  9 * * 1 "]
)
def test_names_of_days_and_months_are_not_random(expression: str) -> None:
    assert next_due(CronSchedule(expression, PARIS), after=at("2026-01-01")) is not None


def test_days_without_a_run_are_refused() -> None:
    with pytest.raises(Invalid, match="never fires up to 2026-03-31"):
        CronSchedule("0 9 1 1 *", PARIS, first=date(2026, 2, 1), last=date(2026, 3, 31))
    with pytest.raises(Invalid, match="is before the first"):
        CronSchedule("0 9 * * *", PARIS, first=date(2026, 2, 1), last=date(2026, 1, 31))


@given(st.text("*/,-#?LWHR0123456789 mon", max_size=20) | st.text(max_size=20))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    for expression in (text, f"0 9 {text}", f"{text} * * * *", f"0 9 {text} * *", f"0 9 * * {text}"):
        try:
            cron = CronSchedule(expression, PARIS)
        except Invalid:
            continue
        due = next_due(cron, after=at("2026-01-01"))
        assert due is not None
        assert due.second == 0
