"""How a run spreads its recipients over time, and when it will end."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from dispatcher.domain.errors import Invalid

SLOWEST = 0.001  # recipients a second: one in about 17 minutes

_TICK = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Spread:
    """All recipients evenly within a period: the first at its start, the last before its end."""

    over: timedelta

    def __post_init__(self) -> None:
        if self.over <= timedelta():
            raise Invalid(f"a run cannot be spread over {self.over}; give a period longer than zero, or none")


@dataclass(frozen=True, slots=True)
class Rate:
    """A constant number of recipients a second."""

    per_second: float

    def __post_init__(self) -> None:
        if not SLOWEST <= self.per_second < math.inf:
            raise Invalid(
                f"a run cannot release {self.per_second} a second; give at least {SLOWEST}, or no rate"
            )


Pacing = Spread | Rate | None  # None: all at once


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the last recipient is released, and when it is sent; None while nothing is sent."""

    released: datetime
    through: datetime | None


def release_time(pacing: Pacing, *, start: datetime, index: int, count: int) -> datetime:
    """Return when recipient `index` (from 0) of `count` is released. Raises ValueError outside the range."""
    return release_times(pacing, start=start, first=index, count=1, total=count)[0]


def release_times(pacing: Pacing, *, start: datetime, first: int, count: int, total: int) -> list[datetime]:
    """
    Return when `count` of `total` recipients, from number `first` on, are released.

    Times are exact to the microsecond, rounded down, so that they do not
    depend on how recipients are grouped into calls. Raises ValueError for
    recipients outside the range.
    """
    if not 0 <= first <= first + count <= total:
        raise ValueError(f"a run of {total} has no recipients {first} to {first + count}")
    ticks, each = _pace(pacing, total)
    return [start + _TICK * (index * ticks // each) for index in range(first, first + count)]


def open_time_before(pacing: Pacing, *, rank: int, group: int, total: int) -> timedelta:
    """
    Return how much open time passes before recipient `rank` (from 0) of its group is released.

    A group of zones is spread over the time that all `total` recipients need,
    so that the rates of the groups add up to the rate of the run.
    """
    ticks, each = _pace(pacing, total)
    return _TICK * (rank * total * ticks // (each * group))


def released_within(pacing: Pacing, elapsed: timedelta, *, group: int, total: int) -> int:
    """Return how many recipients of a group are released before this much open time has elapsed."""
    ticks, each = _pace(pacing, total)
    if ticks == 0 or group == 0:
        return group if elapsed > timedelta() else 0
    return min(group, -(-(elapsed // _TICK) * each * group // (total * ticks)))


def forecast(
    pacing: Pacing, *, start: datetime, total: int, done: int, now: datetime, per_second: float
) -> Forecast:
    """
    Return when a run of `total` recipients, of which `done` are sent, will be released and sent.

    The rest is sent at `per_second`, the measured rate, from the later of now
    and the start, and the last one not before it is released.
    """
    released = release_time(pacing, start=start, index=total - 1, count=total) if total else start
    if done >= total:
        return Forecast(released, max(released, now))
    if per_second <= 0:
        return Forecast(released, None)
    return Forecast(released, max(released, max(start, now) + (total - done) / per_second * _SECOND))


def _pace(pacing: Pacing, total: int) -> tuple[int, int]:
    """Return the pace as a whole number of microseconds for a whole number of recipients."""
    match pacing:
        case Spread(over):
            return over // _TICK, max(total, 1)
        case Rate(per_second):
            # The decimal as it was written, such as 0.1, and not the nearest double.
            return (1_000_000 / Fraction(repr(per_second))).as_integer_ratio()
        case None:
            return 0, 1
