from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.hours.local_time import first_instant, last_instant

PARIS = ZoneInfo("Europe/Paris")
ZONES = ["UTC", "Europe/Paris", "Africa/Nairobi", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_in_winter_and_in_summer_the_offset_of_the_day_counts() -> None:
    assert first_instant(wall("2030-01-15 12:00:00"), PARIS) == at("2030-01-15 11:00:00")
    assert first_instant(wall("2030-07-15 12:00:00"), PARIS) == at("2030-07-15 10:00:00")


def test_a_skipped_time_means_the_moment_of_the_change() -> None:
    jump = at("2030-03-31 01:00:00")
    assert first_instant(wall("2030-03-31 02:00:00"), PARIS) == jump
    assert first_instant(wall("2030-03-31 02:30:00"), PARIS) == jump
    assert first_instant(wall("2030-03-31 02:59:59"), PARIS) == jump


def test_the_times_next_to_a_skipped_hour_are_unchanged() -> None:
    assert first_instant(wall("2030-03-31 01:59:59"), PARIS) == at("2030-03-31 00:59:59")
    assert first_instant(wall("2030-03-31 03:00:00"), PARIS) == at("2030-03-31 01:00:00")


def test_a_repeated_time_means_its_first_occurrence() -> None:
    assert first_instant(wall("2030-10-27 02:30:00"), PARIS) == at("2030-10-27 00:30:00")


def test_a_skipped_day_means_the_moment_of_the_change() -> None:
    assert first_instant(wall("2011-12-30 12:00:00"), ZoneInfo("Pacific/Apia")) == at("2011-12-30 10:00:00")


def test_the_last_instant_of_a_repeated_time_is_its_second_occurrence() -> None:
    assert last_instant(wall("2030-10-27 02:30:00"), PARIS) == at("2030-10-27 01:30:00")


def test_the_time_that_a_clock_goes_back_to_has_its_last_instant_at_its_first_occurrence() -> None:
    assert last_instant(wall("2030-10-27 02:00:00"), PARIS) == at("2030-10-27 00:00:00")


@pytest.mark.parametrize("edge", [datetime.min, datetime.max])  # noqa: DTZ901
def test_a_time_at_the_edge_of_the_calendar_is_an_overflow(edge: datetime) -> None:
    zone = ZoneInfo("Asia/Tokyo" if edge.year == 1 else "America/New_York")
    with pytest.raises(OverflowError):
        first_instant(edge, zone)


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)).map(lambda d: d.replace(microsecond=0, fold=0)),  # noqa: DTZ001
    st.sampled_from(ZONES),
)
def test_no_earlier_instant_shows_this_time_or_a_later_one_of_its_hour(shown: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    found = first_instant(shown, zone)
    assert found.astimezone(zone).replace(tzinfo=None) >= shown
    assert (found - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None) < shown


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)).map(lambda d: d.replace(microsecond=0, fold=0)),  # noqa: DTZ001
    st.sampled_from(ZONES),
)
def test_less_is_shown_just_before_the_last_instant_and_never_after(shown: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    found = last_instant(shown, zone)
    assert (found - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None) < shown
    for minutes in range(0, 180, 5):
        assert (found + timedelta(minutes=minutes)).astimezone(zone).replace(tzinfo=None) >= shown
