"""Allowed hours: exact in local time, and on the safe side when a time is ambiguous."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.errors import Invalid
from dispatcher.domain.hours.allowed_hours import (
    AllowedHours,
    DaySpan,
    closing,
    next_open,
    opening,
    parse_hours,
)
from dispatcher.domain.messages.window import Window

PARIS = ZoneInfo("Europe/Paris")
NEW_YORK = ZoneInfo("America/New_York")
MINUTE = timedelta(minutes=1)
OFFICE = parse_hours(
    {"mon-fri": ["08:00-20:00"], "sat": ["10:00-18:00"], "holidays": ["2026-12-25"], "zone": None}
)
ALWAYS = parse_hours({"mon-sun": ["00:00-24:00"]})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str, zone: ZoneInfo = PARIS, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(UTC)


def daily(*spans: str) -> AllowedHours:
    return parse_hours({"mon-sun": list(spans)})


# Opening and closing


def test_an_open_moment_is_its_own_opening() -> None:
    noon = local("2026-06-01T12:00")
    assert opening(OFFICE, (PARIS,), at=noon) == noon


def test_a_span_includes_its_start_and_excludes_its_end() -> None:
    start, end = local("2026-06-01T08:00"), local("2026-06-01T20:00")
    assert opening(OFFICE, (PARIS,), at=start) == start
    assert opening(OFFICE, (PARIS,), at=end) == local("2026-06-02T08:00")
    assert closing(OFFICE, (PARIS,), at=start) == end


def test_after_closed_days_and_holidays_the_next_open_day_counts() -> None:
    assert opening(OFFICE, (PARIS,), at=local("2026-06-06T18:00")) == local("2026-06-08T08:00")
    assert opening(OFFICE, (PARIS,), at=local("2026-12-24T20:00")) == local("2026-12-26T10:00")


def test_a_closed_moment_is_its_own_closing() -> None:
    night = local("2026-06-01T23:00")
    assert closing(OFFICE, (PARIS,), at=night) == night


def test_a_span_over_midnight_continues_on_the_next_day() -> None:
    hours = parse_hours({"fri": ["22:00-02:00"]})
    assert opening(hours, (PARIS,), at=local("2026-06-01T00:00")) == local("2026-06-05T22:00")
    assert closing(hours, (PARIS,), at=local("2026-06-05T22:00")) == local("2026-06-06T02:00")


def test_a_holiday_cuts_a_span_at_midnight() -> None:
    hours = parse_hours({"fri": ["22:00-02:00"], "holidays": ["2026-06-06"]})
    assert closing(hours, (PARIS,), at=local("2026-06-05T22:00")) == local("2026-06-06T00:00")


def test_hours_with_a_zone_ignore_the_zones_of_the_recipient() -> None:
    hours = parse_hours({"mon-fri": ["08:00-20:00"], "zone": "Europe/Paris"})
    assert opening(hours, (NEW_YORK,), at=local("2026-06-01T00:00")) == local("2026-06-01T08:00")
    assert opening(hours, (), at=local("2026-06-01T00:00")) == local("2026-06-01T08:00")


def test_hours_without_a_zone_need_the_zones_of_the_recipient() -> None:
    with pytest.raises(ValueError, match="recipient"):
        opening(OFFICE, (), at=at("2026-06-01T12:00"))


def test_hours_that_are_always_open_never_close() -> None:
    assert closing(ALWAYS, (PARIS, NEW_YORK), at=at("2026-06-01T12:00")) is None


@pytest.mark.parametrize(
    ("zone", "night"), [("America/Havana", "2026-11-01T00:00"), ("Asia/Beirut", "2026-10-24T22:00")]
)
def test_hours_that_are_always_open_stay_open_when_clocks_change_at_midnight(zone: str, night: str) -> None:
    start = local(night, ZoneInfo(zone))
    for minutes in range(0, 240, 10):
        moment = start + minutes * MINUTE
        assert opening(ALWAYS, (ZoneInfo(zone),), at=moment) == moment


# Several zones


def test_all_zones_must_be_open() -> None:
    coasts = (NEW_YORK, ZoneInfo("America/Los_Angeles"))
    first = opening(OFFICE, coasts, at=local("2026-06-01T00:00", NEW_YORK))
    assert first == local("2026-06-01T11:00", NEW_YORK)
    assert closing(OFFICE, coasts, at=first) == local("2026-06-01T20:00", NEW_YORK)


def test_zones_that_are_never_open_together_have_no_opening() -> None:
    assert (
        opening(daily("08:00-12:00"), (ZoneInfo("Asia/Tokyo"), NEW_YORK), at=at("2026-06-01T00:00")) is None
    )


# Windows


def test_a_message_waits_for_the_opening_in_its_window() -> None:
    window = Window(local("2026-06-01T06:00"), local("2026-06-01T09:00"))
    assert next_open(OFFICE, (PARIS,), window=window) == local("2026-06-01T08:00")


def test_a_window_that_ends_when_hours_open_has_no_opening() -> None:
    window = Window(local("2026-06-01T06:00"), local("2026-06-01T08:00"))
    assert next_open(OFFICE, (PARIS,), window=window) is None


# Clock changes


def test_a_span_in_a_skipped_hour_opens_and_closes_at_the_change() -> None:
    jump = at("2026-03-29T01:00")
    assert opening(daily("02:30-05:00"), (PARIS,), at=at("2026-03-29T00:00")) == jump
    assert closing(daily("01:00-02:30"), (PARIS,), at=at("2026-03-29T00:30")) == jump
    assert opening(daily("02:10-02:50"), (PARIS,), at=jump) == local("2026-03-30T02:10")


def test_in_a_repeated_hour_a_span_starts_at_the_second_occurrence_and_ends_at_the_first() -> None:
    midnight = local("2026-10-25T00:00")
    assert opening(daily("02:30-05:00"), (PARIS,), at=midnight) == local("2026-10-25T02:30", fold=1)
    assert closing(daily("01:00-02:30"), (PARIS,), at=local("2026-10-25T01:00")) == local("2026-10-25T02:30")
    assert opening(daily("01:00-02:30"), (PARIS,), at=local("2026-10-25T02:30")) == local("2026-10-26T01:00")


def test_a_span_within_a_repeated_hour_is_skipped_that_night() -> None:
    assert opening(daily("02:10-02:50"), (PARIS,), at=local("2026-10-25T00:00")) == local("2026-10-26T02:10")


# Nights in which clocks change: by an hour, by half an hour, backwards in winter, and by a whole day.
NIGHTS = [
    ("Europe/Paris", date(2026, 3, 29)),
    ("Europe/Paris", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Africa/Casablanca", date(2026, 2, 15)),
    ("Africa/Casablanca", date(2026, 3, 22)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Pacific/Apia", date(2012, 4, 1)),
    ("America/Havana", date(2026, 11, 1)),
    ("Asia/Beirut", date(2026, 10, 24)),
    ("Africa/Nairobi", date(2026, 5, 5)),
]
edges = st.lists(st.integers(0, 96).map(lambda quarter: quarter * 15 * MINUTE), max_size=6, unique=True).map(
    sorted
)
days = edges.map(lambda es: tuple(DaySpan(a, b) for a, b in zip(es[::2], es[1::2], strict=False)))
weeks = st.builds(
    AllowedHours,
    st.tuples(*[days] * 7),
    holidays=st.sets(st.dates(date(2026, 1, 1), date(2026, 12, 31))).map(frozenset),
    zone=st.sampled_from([None, PARIS]),
)


def _is_open(hours: AllowedHours, zone: ZoneInfo, moment: datetime) -> bool:
    """Return whether a time is open, from the clock itself: no end was shown, no start will be."""

    def shown(quarters: int) -> datetime:
        return (moment + quarters * 15 * MINUTE).astimezone(zone).replace(tzinfo=None)

    now = shown(0)
    midnight = datetime.combine(now.date(), time())
    past, future = [shown(-back) for back in range(13)], [shown(ahead) for ahead in range(13)]
    return now.date() not in hours.holidays and any(
        max(past) < midnight + end and min(future) >= midnight + start
        for start, end in hours.week[now.weekday()]
    )


@given(days, st.sampled_from(NIGHTS), st.integers(-60, 120))
def test_an_opening_is_the_first_open_quarter_and_a_closing_the_first_closed(
    spans: tuple[DaySpan, ...], night: tuple[str, date], quarters: int
) -> None:
    hours, zone = AllowedHours((spans,) * 7), ZoneInfo(night[0])
    moment = datetime.combine(night[1], time(), UTC) + quarters * 15 * MINUTE
    coming = [moment + ahead * 15 * MINUTE for ahead in range(200)]
    was_open = [_is_open(hours, zone, later) for later in coming]
    first_open = coming[was_open.index(True)] if True in was_open else None
    first_closed = coming[was_open.index(False)] if False in was_open else None
    found, end = opening(hours, (zone,), at=moment), closing(hours, (zone,), at=moment)
    assert found == first_open or (first_open is None and (found is None or found > coming[-1]))
    assert end == first_closed or (first_closed is None and (end is None or end > coming[-1]))


@given(days, st.lists(st.sampled_from(NIGHTS), min_size=2, max_size=3), st.integers(-60, 120))
def test_several_zones_are_open_when_each_is(
    spans: tuple[DaySpan, ...], nights: list[tuple[str, date]], quarters: int
) -> None:
    hours, zones = AllowedHours((spans,) * 7), [ZoneInfo(name) for name, _ in nights]
    moment = datetime.combine(nights[0][1], time(), UTC) + quarters * 15 * MINUTE
    found = opening(hours, zones, at=moment)
    assert found is None or all(_is_open(hours, zone, found) for zone in zones)
    for ahead in range(100):
        later = moment + ahead * 15 * MINUTE
        together = all(_is_open(hours, zone, later) for zone in zones)
        assert together == (next_open(hours, zones, window=Window(later, later + MINUTE)) == later)
        assert not (together and (found is None or later < found))


# Reading and writing


@given(weeks.filter(lambda hours: any(hours.week)))
def test_hours_that_are_written_are_read_back(hours: AllowedHours) -> None:
    assert parse_hours(hours.as_dict()) == hours


def test_successive_days_with_the_same_hours_are_written_as_one() -> None:
    assert OFFICE.as_dict() == {
        "mon-fri": ["08:00-20:00"],
        "sat": ["10:00-18:00"],
        "holidays": ["2026-12-25"],
        "zone": None,
    }


def test_a_range_of_days_may_go_over_sunday() -> None:
    assert parse_hours({"sat-mon": ["9:00-12:00"]}) == parse_hours(
        {"mon": ["09:00-12:00"], "sat": ["09:00-12:00"], "Sun": [" 09:00 - 12:00 "]}
    )


def test_spans_of_a_day_are_sorted_and_joined_if_they_touch() -> None:
    assert daily("14:00-18:00", "08:00-12:00", "12:00-13:00") == daily("08:00-13:00", "14:00-18:00")


def test_until_midnight_is_written_either_way() -> None:
    assert daily("20:00-00:00") == daily("20:00-24:00")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "no day has hours; name at least one"),
        ({"mon": []}, "no day has hours"),
        ({"funday": ["08:00-20:00"]}, '"funday" is not a day; write one of mon, tue'),
        ({"mon-": ["08:00-20:00"]}, '"mon-" is not a day'),
        (
            {"mon-fri": ["08:00-20:00"], "wed": ["08:00-12:00"]},
            'wed is named twice, in "mon-fri" and in "wed"',
        ),
        ({"mon": "08:00-20:00"}, "\"mon\" must be a list, got '08:00-20:00'"),
        ({"mon": ["8-20"]}, "\"mon\" has '8-20', which is not a span of time; write one like"),
        ({"mon": ["08:00-25:00"]}, "not a span of time"),
        ({"mon": ["24:00-08:00"]}, "not a span of time"),
        ({"mon": [8]}, '"mon" has 8, which is not a span of time'),
        ({"mon": ["08:00-08:00"]}, 'is empty; for the whole day write "00:00-24:00"'),
        (
            {"mon": ["08:00-20:00"], "holidays": ["25.12.2026"]},
            "has '25.12.2026', which is not a date; write one like",
        ),
        ({"mon": ["08:00-20:00"], "holidays": "2026-12-25"}, '"holidays" must be a list'),
        ({"mon": ["08:00-20:00"], "zone": "Paris"}, '"Paris" is not a time zone'),
        ({"mon": ["08:00-20:00"], "zone": 2}, '"2" is not a time zone'),
    ],
)
def test_hours_that_cannot_be_read_are_refused_with_an_example(
    value: dict[str, object], message: str
) -> None:
    with pytest.raises(Invalid) as caught:
        parse_hours(value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "week",
    [
        (),
        ((DaySpan(2 * MINUTE, MINUTE),), *[()] * 6),
        ((DaySpan(MINUTE, 3 * MINUTE), DaySpan(3 * MINUTE, 4 * MINUTE)), *[()] * 6),
        ((DaySpan(-MINUTE, MINUTE),), *[()] * 6),
        ((DaySpan(MINUTE, timedelta(hours=25)),), *[()] * 6),
    ],
)
def test_a_week_has_seven_days_of_spans_in_order_that_do_not_touch(
    week: tuple[tuple[DaySpan, ...], ...],
) -> None:
    with pytest.raises(ValueError, match=r"seven days|in order and must not touch"):
        AllowedHours(week)
