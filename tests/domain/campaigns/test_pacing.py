"""Pacing: in order, exact, and within its time."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.campaigns.pacing import (
    SLOWEST,
    Forecast,
    Pacing,
    Rate,
    Spread,
    forecast,
    release_time,
    release_times,
)
from dispatcher.domain.errors import Invalid

START = datetime(2026, 6, 1, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

spreads = st.builds(Spread, st.timedeltas(timedelta.resolution, timedelta(days=31)))
rates = st.builds(Rate, st.floats(SLOWEST, 1e6) | st.integers(1, 10_000))
pacings: st.SearchStrategy[Pacing] = spreads | rates | st.none()
totals = st.integers(1, 2_000_000)


def test_without_pacing_all_are_released_at_the_start() -> None:
    assert release_times(None, start=START, first=0, count=3, total=3) == [START] * 3


def test_a_spread_divides_its_period_evenly() -> None:
    times = release_times(Spread(HOUR), start=START, first=0, count=4, total=4)
    assert times == [START + quarter * 15 * MINUTE for quarter in range(4)]


@pytest.mark.parametrize(("per_second", "step"), [(10, 0.1), (0.1, 10), (0.5, 2), (1e-3, 1000), (8.0, 0.125)])
def test_a_rate_has_equal_intervals_and_does_not_drift(per_second: float, step: float) -> None:
    assert release_time(Rate(per_second), start=START, index=1, count=2) == START + step * SECOND
    far = release_time(Rate(per_second), start=START, index=1_000_000, count=1_000_001)
    assert far == START + 1_000_000 * (step * SECOND)


def test_intervals_are_rounded_down_without_adding_up_errors() -> None:
    times = release_times(Rate(3), start=START, first=0, count=4, total=4)
    assert [(time - START) / timedelta.resolution for time in times] == [0, 333_333, 666_666, 1_000_000]


@given(spreads, totals)
def test_the_last_of_a_spread_is_released_before_its_end(spread: Spread, total: int) -> None:
    assert START <= release_time(spread, start=START, index=total - 1, count=total) < START + spread.over


@given(pacings, totals, st.data())
def test_times_in_a_group_are_those_of_single_recipients_and_in_order(
    pacing: Pacing, total: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, total))
    count = data.draw(st.integers(0, min(20, total - first)))
    times = release_times(pacing, start=START, first=first, count=count, total=total)
    assert times == [
        release_time(pacing, start=START, index=index, count=total) for index in range(first, first + count)
    ]
    assert all(earlier <= later for earlier, later in pairwise(times))


@given(rates, st.integers(0, 100_000), st.integers(1, 200))
def test_no_more_than_the_rate_are_released_in_any_second(rate: Rate, first: int, count: int) -> None:
    times = release_times(rate, start=START, first=first, count=count, total=first + count)
    assert (times[-1] - times[0]) / SECOND >= (count - 1) / rate.per_second - 2e-6


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, 4), (3, 1), (1, -1)])
def test_recipients_outside_the_range_are_refused(first: int, count: int) -> None:
    with pytest.raises(ValueError, match="has no recipients"):
        release_times(None, start=START, first=first, count=count, total=3)


@pytest.mark.parametrize("over", [timedelta(), -SECOND])
def test_a_spread_needs_a_period_above_zero(over: timedelta) -> None:
    with pytest.raises(Invalid, match="longer than zero"):
        Spread(over)


@pytest.mark.parametrize("per_second", [0, -1, SLOWEST / 2, math.inf, math.nan])
def test_a_rate_is_above_the_slowest_and_finite(per_second: float) -> None:
    with pytest.raises(Invalid, match="give at least"):
        Rate(per_second)


# Forecasts


def test_with_a_slow_pace_the_last_release_is_the_end_of_a_run() -> None:
    found = forecast(Spread(HOUR), start=START, total=60, done=0, now=START, per_second=100)
    assert found == Forecast(START + 59 * MINUTE, START + 59 * MINUTE)


def test_with_slow_sending_the_last_message_is_the_end_of_a_run() -> None:
    found = forecast(Spread(MINUTE), start=START, total=6000, done=0, now=START, per_second=10)
    assert found == Forecast(START + MINUTE - 0.01 * SECOND, START + 10 * MINUTE)


def test_sent_messages_do_not_count_and_the_rest_counts_from_now() -> None:
    found = forecast(None, start=START, total=6000, done=3000, now=START + MINUTE, per_second=10)
    assert found == Forecast(START, START + 6 * MINUTE)


def test_sending_counts_from_the_start() -> None:
    assert (
        forecast(None, start=START, total=10, done=0, now=START - HOUR, per_second=10).through
        == START + SECOND
    )


def test_without_sending_there_is_no_forecast_of_the_end() -> None:
    assert forecast(None, start=START, total=10, done=5, now=START, per_second=0).through is None


@pytest.mark.parametrize("total", [0, 10])
def test_a_run_with_nothing_left_ends_now(total: int) -> None:
    assert (
        forecast(None, start=START, total=total, done=total, now=START + HOUR, per_second=0).through
        == START + HOUR
    )
