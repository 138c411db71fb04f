"""Retry: waits grow and spread, end inside the window, and are never shorter than the provider's hint."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.delivery.retry import backoff, next_try

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BASE = timedelta(seconds=1)
CAP = timedelta(minutes=5)

waits = st.timedeltas(timedelta(microseconds=1), timedelta(days=30))
attempts = st.integers(1, 10_000)
generators = st.integers().map(random.Random)


class Always:
    """A generator that always returns the same number."""

    def __init__(self, number: float) -> None:
        self.number = number

    def random(self) -> float:
        return self.number


ALMOST_ONE = Always(1 - 2**-53)


def at(
    after: timedelta, *, hint: timedelta | None = None, attempt: int = 3, number: float = 0.5
) -> datetime | None:
    return next_try(NOW, attempt, not_after=NOW + after, hint=hint, base=BASE, cap=CAP, rng=Always(number))


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (5000, 300)])
def test_the_longest_wait_doubles_up_to_the_cap(attempt: int, seconds: int) -> None:
    assert backoff(attempt, base=BASE, cap=CAP, rng=ALMOST_ONE) == timedelta(seconds=seconds)


def test_the_shortest_wait_is_zero() -> None:
    assert backoff(7, base=BASE, cap=CAP, rng=Always(0)) == timedelta(0)


@pytest.mark.parametrize(
    ("attempt", "base", "cap"),
    [(0, BASE, CAP), (-1, BASE, CAP), (1, timedelta(0), CAP), (1, BASE, timedelta(seconds=-1))],
)
def test_a_meaningless_backoff_is_refused(attempt: int, base: timedelta, cap: timedelta) -> None:
    with pytest.raises(ValueError, match="no backoff"):
        backoff(attempt, base=base, cap=cap, rng=Always(0))


@given(attempts, waits, waits, generators)
def test_a_wait_is_between_zero_and_its_bound(
    attempt: int, base: timedelta, cap: timedelta, rng: random.Random
) -> None:
    wait = backoff(attempt, base=base, cap=cap, rng=rng)
    doublings = min(attempt - 1, 60)
    microseconds = (base // timedelta.resolution) * 2**doublings
    assert timedelta(0) <= wait <= cap
    assert wait // timedelta.resolution <= microseconds


def test_the_next_try_waits_for_the_backoff() -> None:
    assert at(timedelta(hours=1)) == NOW + timedelta(seconds=2)


def test_a_hint_longer_than_the_backoff_counts() -> None:
    assert at(timedelta(hours=1), hint=timedelta(minutes=9)) == NOW + timedelta(minutes=9)


def test_a_hint_shorter_than_the_backoff_does_not_shorten_it() -> None:
    assert at(timedelta(hours=1), hint=timedelta(milliseconds=1)) == NOW + timedelta(seconds=2)


def test_a_hint_in_the_past_is_ignored() -> None:
    assert at(timedelta(hours=1), hint=timedelta(days=-1), number=0) == NOW


@pytest.mark.parametrize("after", [timedelta(0), timedelta(seconds=-1)])
def test_there_is_no_next_try_when_the_window_is_over(after: timedelta) -> None:
    assert at(after) is None


@pytest.mark.parametrize("hint", [timedelta(minutes=10), timedelta(days=1), timedelta.max])
def test_there_is_no_next_try_when_the_hint_reaches_the_end_of_the_window(hint: timedelta) -> None:
    assert at(timedelta(minutes=10), hint=hint) is None


def test_a_wait_that_reaches_the_end_of_the_window_is_not_shortened() -> None:
    assert at(timedelta(seconds=2)) is None
    assert at(timedelta(seconds=2, microseconds=1)) == NOW + timedelta(seconds=2)


@given(
    attempts,
    st.timedeltas(timedelta(hours=-1), timedelta(days=3)),
    st.none() | st.timedeltas(timedelta(seconds=-5), timedelta(days=4)),
    waits,
    waits,
    generators | st.just(ALMOST_ONE),
)
def test_the_next_try_is_inside_the_window_and_not_before_the_hint(
    attempt: int,
    after: timedelta,
    hint: timedelta | None,
    base: timedelta,
    cap: timedelta,
    rng: random.Random,
) -> None:
    found = next_try(NOW, attempt, not_after=NOW + after, hint=hint, base=base, cap=cap, rng=rng)
    if found is not None:
        assert NOW + max(hint or timedelta(0), timedelta(0)) <= found < NOW + after


@given(attempts, waits, waits, generators)
def test_a_window_longer_than_hint_and_cap_always_has_a_next_try(
    attempt: int, hint: timedelta, cap: timedelta, rng: random.Random
) -> None:
    not_after = NOW + max(hint, cap) + timedelta.resolution
    assert next_try(NOW, attempt, not_after=not_after, hint=hint, base=BASE, cap=cap, rng=rng) is not None
