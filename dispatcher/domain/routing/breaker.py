"""
The breaker of a provider: when it opens, slows and closes, as a pure function of the results of calls.

Results are counted over all processes in the last WINDOW, or since the last
change of the breaker.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Outcome,
    PartlyAccepted,
    Rejected,
    Unknown,
    Unsent,
)
from dispatcher.domain.duration import format_duration
from dispatcher.domain.routing.provider_state import BreakerPhase

WINDOW = timedelta(seconds=10)
SLOW_SHARE = 0.5
"""An answer is slow if it took more than this part of the provider's call_timeout."""

TRIAL_RATE = 3.0
"""Segments a second that a half-open provider gets from all processes together."""

LATENCY_BOUNDS = (5, 10, 20, 35, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10_000)
"""Upper bounds of the buckets of latencies, in milliseconds; one more bucket has the longer ones."""

_TRIED, _UNSENT, _DEFERRED, _UNANSWERED, _SLOW, _SEGMENTS, _LATENCY = range(7)
# Some phone numbers always fail, and while few messages are sent, these may be most of them.
_FEWEST, _FAILED_SHARE = 20, 0.8
_FEWEST_SLOW, _MOSTLY_SLOW = 10, 0.8
_TO_OPEN, _TO_CLOSE = 2, 5  # calls while half-open
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=6), timedelta(seconds=30)
_SLOW_PAUSE = timedelta(seconds=60)
_FEWEST_HINTS, _HINT_SHARE = 10, 0.8
_SHORTEST_HINT, _LONGEST_HINT = timedelta(seconds=1), timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class CallCounts:
    """
    The results of a provider's messages. `slow` answers are also counted as answers.

    A refused message counts as answered, because the provider works. Messages
    that the gate stopped are not counted. `latencies` counts the answers in
    each bucket of LATENCY_BOUNDS.
    """

    tried: int = 0
    unsent: int = 0  # no connection
    deferred: int = 0
    unanswered: int = 0  # in doubt
    slow: int = 0
    segments: int = 0
    latencies: tuple[int, ...] = ()

    @property
    def failed(self) -> int:
        """How many messages the provider neither accepted nor refused."""
        return self.unsent + self.deferred + self.unanswered

    @property
    def latency(self) -> timedelta | None:
        """The median latency, rounded up to one of LATENCY_BOUNDS; None without answers."""
        below, half = 0, sum(self.latencies) / 2
        for bound, number in zip(LATENCY_BOUNDS, self.latencies, strict=False):
            below += number
            if number and below >= half:
                return timedelta(milliseconds=bound)
        return timedelta(milliseconds=LATENCY_BOUNDS[-1]) if half else None


class CallTally:
    """
    Counts the results of one process's calls to a provider, until the counts are taken.

    `numbers` has the fields of CallCounts in their order, the latencies last.
    """

    WIDE = 6 + len(LATENCY_BOUNDS) + 1

    def __init__(self, call_timeout: timedelta) -> None:
        self._slow = SLOW_SHARE * call_timeout.total_seconds()
        self.numbers = [0] * self.WIDE
        self._hints = (0, timedelta())  # how many, and the longest

    def add(self, outcomes: Iterable[Outcome], *, seconds: float, segments: int) -> None:
        """Count the outcomes of one call, with its duration and its segments."""
        numbers = self.numbers
        numbers[_SEGMENTS] += segments
        for outcome in outcomes:
            numbers[_TRIED] += 1
            match outcome:
                # A provider that takes parts works, though it puts others off.
                case Accepted() | Rejected() | PartlyAccepted(rest=Rejected() | Deferred() | Unsent()):
                    numbers[_SLOW] += seconds > self._slow
                    numbers[_LATENCY + bisect_left(LATENCY_BOUNDS, seconds * 1000)] += 1
                case Deferred(after=after):
                    numbers[_DEFERRED] += 1
                    if after is not None:
                        self._hints = (self._hints[0] + 1, max(after, self._hints[1]))
                case Unsent():
                    numbers[_UNSENT] += 1
                case Unknown() | PartlyAccepted():
                    numbers[_UNANSWERED] += 1

    def take(self) -> tuple[list[int], timedelta | None]:
        """
        Return the numbers, and the pause that the provider asked for, if any; start again from zero.

        A retry hint for one message is about that message only. Ten or more
        hints, for at least four fifths of the messages, are about the provider.
        """
        numbers, (hints, longest) = self.numbers, self._hints
        self.numbers, self._hints = [0] * self.WIDE, (0, timedelta())
        is_general = hints >= max(_FEWEST_HINTS, _HINT_SHARE * numbers[_TRIED])
        return numbers, longest if is_general else None

    def put_back(self, numbers: Sequence[int]) -> None:
        """Add numbers that were taken but could not be reported."""
        self.numbers = [own + added for own, added in zip(self.numbers, numbers, strict=True)]


def read_counts(numbers: Sequence[int]) -> CallCounts:
    """Return the counts from the summed numbers of CallTally."""
    tried, unsent, deferred, unanswered, slow, segments, *latencies = numbers
    return CallCounts(tried, unsent, deferred, unanswered, slow, segments, tuple(latencies))


@dataclass(frozen=True, slots=True)
class BreakerState:
    """
    The state of a breaker, since when and why.

    At `until` it changes by itself: from open to half-open, or from slow to
    closed. `opened` is how often it has opened since it was last closed.
    """

    breaker: BreakerPhase
    since: datetime
    cause: str
    until: datetime | None = None
    opened: int = 0


def next_state(
    at: BreakerState, window: CallCounts, *, now: datetime, requested_pause: timedelta | None = None
) -> BreakerState | None:
    """
    Return the next state of the breaker; None if it does not change.

    `requested_pause` is the pause that the provider asked for in nearly all
    of its latest answers.
    """
    if (
        requested_pause is not None
        and requested_pause >= _SHORTEST_HINT
        and at.breaker is not BreakerPhase.OPEN
    ):
        cause = f"it asked for a pause of {format_duration(requested_pause)}"
        return BreakerState(
            BreakerPhase.OPEN, now, cause, now + min(requested_pause, _LONGEST_HINT), at.opened
        )
    is_over = at.until is not None and at.until <= now
    match at.breaker:
        case BreakerPhase.OPEN if is_over:
            return BreakerState(BreakerPhase.HALF_OPEN, now, "its pause is over", opened=at.opened)
        case BreakerPhase.HALF_OPEN:
            return _after_trial(at, window, now)
        case BreakerPhase.SLOW if _fails(window):
            return _open(at, window, now)
        case BreakerPhase.SLOW if is_over or _is_fast_again(window):
            return BreakerState(
                BreakerPhase.CLOSED, now, "its pause is over" if is_over else "it is fast again"
            )
        case BreakerPhase.CLOSED if _fails(window):
            return _open(at, window, now)
        case BreakerPhase.CLOSED if window.slow >= max(_FEWEST_SLOW, _MOSTLY_SLOW * window.tried):
            cause = f"{window.slow} of {window.tried} answers were slow"
            return BreakerState(BreakerPhase.SLOW, now, cause, now + _SLOW_PAUSE)
    return None


def _fails(window: CallCounts) -> bool:
    return window.failed >= max(_FEWEST, _FAILED_SHARE * window.tried)


def _is_fast_again(window: CallCounts) -> bool:
    return window.tried >= _FEWEST_SLOW and window.slow < window.tried / 2


def _after_trial(at: BreakerState, window: CallCounts, now: datetime) -> BreakerState | None:
    if window.failed >= _TO_OPEN:
        return _open(at, window, now)
    if window.tried - window.failed >= _TO_CLOSE:
        return BreakerState(BreakerPhase.CLOSED, now, f"{window.tried - window.failed} calls were answered")
    return None


def _open(at: BreakerState, window: CallCounts, now: datetime) -> BreakerState:
    kinds = ((window.unsent, "not sent"), (window.deferred, "deferred"), (window.unanswered, "unanswered"))
    failures = ", ".join(f"{number} {kind}" for number, kind in kinds if number)
    pause = min(_FIRST_PAUSE * 2**at.opened, _LONGEST_PAUSE)
    cause = f"{window.failed} of {window.tried} failed: {failures}"
    return BreakerState(BreakerPhase.OPEN, now, cause, now + pause, min(at.opened + 1, 10))
