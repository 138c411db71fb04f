"""
When a provider's breaker opens, slows and closes: a pure function of what its calls came to.

Counts are those of the window (the last WINDOW, or since the breaker last
moved), summed over all processes.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatcher.domain.delivery.provider import Accepted, Deferred, Outcome, Rejected, Unknown, Unsent
from dispatcher.domain.duration import format_duration
from dispatcher.domain.routing.provider_state import Breaker

WINDOW = timedelta(seconds=10)
SLOW_SHARE = 0.5
"""An answer is slow that took more than this part of the provider's call_timeout."""

TRIAL_RATE = 3.0
"""Segments a second that a half-open provider gets, over all processes."""

LATENCY_BOUNDS = (5, 10, 20, 35, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10_000)
"""Milliseconds up to which answers are counted together; one more counts what took longer."""

_TRIED, _UNSENT, _LATER, _UNANSWERED, _SLOW, _SEGMENTS, _LATENCY = range(7)
# Some numbers fail whatever the provider does, and while little is sent most tries may be theirs.
_FEWEST, _FAILED_SHARE = 20, 0.8
_FEWEST_SLOW, _MOSTLY_SLOW = 10, 0.8
_TO_OPEN, _TO_CLOSE = 2, 5  # of a half-open one's calls
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=6), timedelta(seconds=30)
_SLOW_PAUSE = timedelta(seconds=60)
_FEWEST_TOLD, _TOLD_SHARE = 10, 0.8
_SHORTEST_TOLD, _LONGEST_TOLD = timedelta(seconds=1), timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class CallCounts:
    """
    What a provider's messages came to. `slow` ones are among those answered.

    What was refused was answered: the provider works. What the gate kept back
    is not counted at all. `latencies` counts the answers by LATENCIES.
    """

    tried: int = 0
    unsent: int = 0  # no connection
    later: int = 0  # deferred
    unanswered: int = 0  # in doubt
    slow: int = 0
    segments: int = 0
    latencies: tuple[int, ...] = ()

    @property
    def failed(self) -> int:
        """How many the provider neither took nor refused."""
        return self.unsent + self.later + self.unanswered

    @property
    def latency(self) -> timedelta | None:
        """Half of the answers took no longer, rounded up to one of LATENCIES; None without answers."""
        below, half = 0, sum(self.latencies) / 2
        for bound, number in zip(LATENCY_BOUNDS, self.latencies, strict=False):
            below += number
            if number and below >= half:
                return timedelta(milliseconds=bound)
        return timedelta(milliseconds=LATENCY_BOUNDS[-1]) if half else None


class CallTally:
    """
    Counts what one process's calls to a provider came to, until they are taken.

    `numbers` are those of Counts in its order, the latencies last.
    """

    WIDE = 6 + len(LATENCY_BOUNDS) + 1

    def __init__(self, call_timeout: timedelta) -> None:
        self._slow = SLOW_SHARE * call_timeout.total_seconds()
        self.numbers = [0] * self.WIDE
        self._told = (0, timedelta())

    def note(self, outcomes: Iterable[Outcome], *, seconds: float, segments: int) -> None:
        """Count the outcomes of one call, which took so long and carried so many segments."""
        numbers = self.numbers
        numbers[_SEGMENTS] += segments
        for outcome in outcomes:
            numbers[_TRIED] += 1
            match outcome:
                case Accepted() | Rejected():
                    numbers[_SLOW] += seconds > self._slow
                    numbers[_LATENCY + bisect_left(LATENCY_BOUNDS, seconds * 1000)] += 1
                case Deferred(after=after):
                    numbers[_LATER] += 1
                    if after is not None:
                        self._told = (self._told[0] + 1, max(after, self._told[1]))
                case Unsent():
                    numbers[_UNSENT] += 1
                case Unknown():
                    numbers[_UNANSWERED] += 1

    def take(self) -> tuple[list[int], timedelta | None]:
        """
        Give the numbers, and how long the provider wants to be left alone; begin anew.

        A message that is told to come back later tells of itself only; ten or
        more speak for the provider, if they are four fifths of a moment's messages.
        """
        numbers, (times, longest) = self.numbers, self._told
        self.numbers, self._told = [0] * self.WIDE, (0, timedelta())
        speaks = times >= max(_FEWEST_TOLD, _TOLD_SHARE * numbers[_TRIED])
        return numbers, longest if speaks else None

    def put_back(self, numbers: Sequence[int]) -> None:
        """Count again what could not be told."""
        self.numbers = [mine + more for mine, more in zip(self.numbers, numbers, strict=True)]


def read_counts(numbers: Sequence[int]) -> CallCounts:
    """Read what a Tally's numbers were summed up to."""
    tried, unsent, later, unanswered, slow, segments, *latencies = numbers
    return CallCounts(tried, unsent, later, unanswered, slow, segments, tuple(latencies))


@dataclass(frozen=True, slots=True)
class BreakerState:
    """
    Where a breaker stands, since when and why.

    At `until` it moves by itself: an open one to half-open, a slow one to
    closed. `opened` is how often it opened without being closed in between.
    """

    breaker: Breaker
    since: datetime
    cause: str
    until: datetime | None = None
    opened: int = 0


def next_state(
    at: BreakerState, window: CallCounts, *, now: datetime, told: timedelta | None = None
) -> BreakerState | None:
    """
    Tell where the breaker moves now; None: it stays.

    `told` is for how long the provider itself wants to be left alone, where
    it said so to nearly all of what it was given a moment ago.
    """
    if told is not None and told >= _SHORTEST_TOLD and at.breaker is not Breaker.OPEN:
        cause = f"it asked to be left alone for {format_duration(told)}"
        return BreakerState(Breaker.OPEN, now, cause, now + min(told, _LONGEST_TOLD), at.opened)
    is_over = at.until is not None and at.until <= now
    match at.breaker:
        case Breaker.OPEN if is_over:
            return BreakerState(Breaker.HALF_OPEN, now, "its pause is over", opened=at.opened)
        case Breaker.HALF_OPEN:
            return _tried_again(at, window, now)
        case Breaker.SLOW if _fails(window):
            return _open(at, window, now)
        case Breaker.SLOW if is_over or _is_fast_again(window):
            return BreakerState(Breaker.CLOSED, now, "its pause is over" if is_over else "it is fast again")
        case Breaker.CLOSED if _fails(window):
            return _open(at, window, now)
        case Breaker.CLOSED if window.slow >= max(_FEWEST_SLOW, _MOSTLY_SLOW * window.tried):
            cause = f"{window.slow} of {window.tried} answers were slow"
            return BreakerState(Breaker.SLOW, now, cause, now + _SLOW_PAUSE)
    return None


def _fails(window: CallCounts) -> bool:
    return window.failed >= max(_FEWEST, _FAILED_SHARE * window.tried)


def _is_fast_again(window: CallCounts) -> bool:
    return window.tried >= _FEWEST_SLOW and window.slow < window.tried / 2


def _tried_again(at: BreakerState, window: CallCounts, now: datetime) -> BreakerState | None:
    if window.failed >= _TO_OPEN:
        return _open(at, window, now)
    if window.tried - window.failed >= _TO_CLOSE:
        return BreakerState(Breaker.CLOSED, now, f"{window.tried - window.failed} calls were answered")
    return None


def _open(at: BreakerState, window: CallCounts, now: datetime) -> BreakerState:
    kinds = ((window.unsent, "not sent"), (window.later, "told later"), (window.unanswered, "unanswered"))
    listed = ", ".join(f"{number} {kind}" for number, kind in kinds if number)
    pause = min(_FIRST_PAUSE * 2**at.opened, _LONGEST_PAUSE)
    cause = f"{window.failed} of {window.tried} failed: {listed}"
    return BreakerState(Breaker.OPEN, now, cause, now + pause, min(at.opened + 1, 10))
