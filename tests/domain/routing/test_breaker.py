"""The breaker: its transitions by the results of calls."""

from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.domain.delivery.provider import Accepted, Deferred, Outcome, Rejected, Unknown, Unsent
from dispatcher.domain.messages.status import Status
from dispatcher.domain.routing.breaker import BreakerState, CallCounts, CallTally, next_state, read_counts
from dispatcher.domain.routing.provider_state import BreakerPhase, Override, ProviderState

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)

CLOSED = BreakerState(BreakerPhase.CLOSED, NOW - 60 * SECOND, "")
OPEN = BreakerState(BreakerPhase.OPEN, NOW - 3 * SECOND, "", NOW + 3 * SECOND, opened=1)
OVER = BreakerState(BreakerPhase.OPEN, NOW - 6 * SECOND, "", NOW, opened=1)
HALF = BreakerState(BreakerPhase.HALF_OPEN, NOW - SECOND, "", opened=1)
SLOW = BreakerState(BreakerPhase.SLOW, NOW - SECOND, "", NOW + 59 * SECOND)
SLOW_OVER = BreakerState(BreakerPhase.SLOW, NOW - 60 * SECOND, "", NOW)


@pytest.mark.parametrize(
    ("at", "window", "to"),
    [
        (CLOSED, CallCounts(tried=19, unsent=19), None),  # they may be numbers that fail anywhere
        (CLOSED, CallCounts(tried=20, unsent=20), BreakerPhase.OPEN),
        (CLOSED, CallCounts(tried=20, unanswered=20), BreakerPhase.OPEN),
        (CLOSED, CallCounts(tried=20, deferred=20), BreakerPhase.OPEN),
        (
            CLOSED,
            CallCounts(tried=50, unsent=20, deferred=10, unanswered=10),
            BreakerPhase.OPEN,
        ),  # four fifths of them
        (CLOSED, CallCounts(tried=50, unsent=20, deferred=10, unanswered=9), None),
        (CLOSED, CallCounts(tried=1000, unanswered=700), None),
        (CLOSED, CallCounts(tried=10, slow=8), None),
        (CLOSED, CallCounts(tried=12, slow=10), BreakerPhase.SLOW),
        (CLOSED, CallCounts(tried=20, slow=15), None),
        (CLOSED, CallCounts(tried=100, slow=20, unsent=80), BreakerPhase.OPEN),  # failing is worse than slow
        (OPEN, CallCounts(tried=50, unsent=50), None),
        (OPEN, CallCounts(tried=50), None),  # what was out when it opened
        (OVER, CallCounts(), BreakerPhase.HALF_OPEN),
        (HALF, CallCounts(), None),
        (HALF, CallCounts(tried=5, unsent=1), None),
        (HALF, CallCounts(tried=6, unsent=1), BreakerPhase.CLOSED),
        (HALF, CallCounts(tried=5), BreakerPhase.CLOSED),
        (HALF, CallCounts(tried=8, unanswered=2), BreakerPhase.OPEN),
        (SLOW, CallCounts(tried=20, slow=18), None),
        (SLOW, CallCounts(tried=9), None),
        (SLOW, CallCounts(tried=10, slow=4), BreakerPhase.CLOSED),
        (SLOW, CallCounts(tried=20, unsent=20), BreakerPhase.OPEN),
        (SLOW_OVER, CallCounts(), BreakerPhase.CLOSED),
    ],
)
def test_a_breaker_changes_by_the_results_of_calls(
    at: BreakerState, window: CallCounts, to: BreakerPhase | None
) -> None:
    moved = next_state(at, window, now=NOW)
    assert (None if moved is None else moved.breaker) == to
    if moved is not None:
        assert moved.since == NOW
        assert moved.cause


def test_each_pause_is_twice_the_one_before_up_to_half_a_minute_until_the_breaker_closes() -> None:
    pauses = []
    at: BreakerState | None = CLOSED
    for _ in range(5):
        assert at is not None
        at = next_state(at, CallCounts(tried=20, unsent=20), now=NOW)
        assert at is not None
        assert at.until is not None
        pauses.append((at.until - NOW).total_seconds())
        at = next_state(at, CallCounts(), now=at.until)
    assert pauses == [6, 12, 24, 30, 30]
    assert at is not None
    closed = next_state(at, CallCounts(tried=5), now=NOW)
    assert closed is not None
    assert closed.opened == 0


def test_the_cause_has_the_kinds_and_numbers_of_failures() -> None:
    moved = next_state(CLOSED, CallCounts(tried=24, unsent=19, unanswered=3), now=NOW)
    assert moved is not None
    assert moved.cause == "22 of 24 failed: 19 not sent, 3 unanswered"


@pytest.mark.parametrize(("hint", "pause"), [(30, 30), (3600, 60), (1, 1)])
def test_a_pause_that_a_provider_asks_for_lasts_at_most_a_minute(hint: int, pause: int) -> None:
    for at in (CLOSED, HALF, SLOW):
        moved = next_state(at, CallCounts(tried=1, deferred=1), now=NOW, requested_pause=hint * SECOND)
        assert moved is not None
        assert (moved.breaker, moved.until) == (BreakerPhase.OPEN, NOW + pause * SECOND)
    assert next_state(OPEN, CallCounts(), now=NOW, requested_pause=hint * SECOND) is None
    assert next_state(CLOSED, CallCounts(), now=NOW, requested_pause=SECOND / 2) is None


def _tally(*calls: tuple[Outcome, float]) -> CallTally:
    tally = CallTally(call_timeout=4 * SECOND)
    for outcome, seconds in calls:
        tally.add([outcome], seconds=seconds, segments=2)
    return tally


def test_a_refusal_is_an_answer_and_only_answers_are_slow() -> None:
    numbers, hint = _tally(
        (Accepted(()), 0.04),
        (Rejected(Status.BLOCKED, "no"), 2.1),
        (Deferred("later"), 3.0),
        (Unsent("no connection"), 3.0),
        (Unknown("time-out"), 4.0),
    ).take()
    counts = read_counts(numbers)
    assert (counts.tried, counts.unsent, counts.deferred, counts.unanswered) == (5, 1, 1, 1)
    assert (counts.slow, counts.segments, sum(counts.latencies), counts.failed) == (1, 10, 2, 3)
    assert hint is None


def test_the_median_is_rounded_up_to_a_bound() -> None:
    numbers, _ = _tally(*[(Accepted(()), ms / 1000) for ms in (3, 40, 44, 48, 900)]).take()
    assert read_counts(numbers).latency == timedelta(milliseconds=50)
    assert CallCounts().latency is None
    slowest, _ = _tally((Accepted(()), 60.0)).take()
    assert read_counts(slowest).latency == timedelta(seconds=10)


def test_a_few_retry_hints_are_not_a_pause_of_the_provider() -> None:
    later = (Deferred("busy", after=7 * SECOND), 0.1)
    fine = (Accepted(()), 0.1)
    assert _tally(*[later] * 9).take()[1] is None
    assert _tally(*[later] * 10).take()[1] == 7 * SECOND
    assert _tally(*[later] * 12, *[fine] * 3).take()[1] == 7 * SECOND
    assert _tally(*[later] * 12, *[fine] * 4).take()[1] is None
    assert _tally(*[(Deferred("busy"), 0.1)] * 20).take()[1] is None


def test_a_tally_starts_again_and_accepts_numbers_that_could_not_be_reported() -> None:
    tally = _tally((Accepted(()), 0.1))
    numbers, _ = tally.take()
    tally.add([Unsent("x")], seconds=0, segments=1)
    tally.put_back(numbers)
    counts = read_counts(tally.take()[0])
    assert (counts.tried, counts.unsent, counts.segments) == (2, 1, 3)
    assert read_counts(tally.take()[0]) == read_counts([0] * CallTally.WIDE)


@pytest.mark.parametrize("breaker", BreakerPhase)
@pytest.mark.parametrize("override", Override)
def test_an_override_takes_precedence_over_the_breaker(breaker: BreakerPhase, override: Override) -> None:
    state = ProviderState(breaker, override)
    barred = override in {Override.PAUSED, Override.DRAINED} or (
        override is Override.NONE and breaker is BreakerPhase.OPEN
    )
    assert state.is_barred == barred
    assert state.is_on_trial == (override is Override.NONE and breaker is BreakerPhase.HALF_OPEN)
