"""
When a campaign runs: once, or again and again by a cron expression on the wall clock of a zone.

One rule for the days on which clocks change: each time on the wall fires once,
at the first instant that shows it or, where it is skipped, at the jump. So a
daily run is never doubled and never lost; a run every 15 minutes is silent
while an hour comes the second time, and the four that are skipped with an
hour are the one at the jump.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter

from dispatcher.domain.errors import Invalid
from dispatcher.domain.hours.local_time import first_instant

_LONGEST = 200  # characters of an expression
_MINUTE = timedelta(minutes=1)
_REFERENCE = date(2000, 1, 1)  # where an expression is tried from; croniter looks 50 years ahead
_RANDOM = re.compile(
    r"(?<![a-z])[hr](?![a-z])"
)  # croniter's own, other at each reading; not those of "thu" or "mar"
_SHAPE = "minute hour day month weekday"


@dataclass(frozen=True, slots=True)
class RunOnce:
    """One run."""

    at: datetime

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError(f"a run needs a time with a zone, got {self.at}")


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """
    Runs by a cron expression of five fields, so never more than one a minute.

    `first` and `last` are days of the zone, both included. Raises Invalid for
    an expression that cannot be read or never fires on these days.
    """

    expression: str
    zone: ZoneInfo
    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        _check(self.expression)
        if self.first and self.last and self.last < self.first:
            raise Invalid(f"the last day, {self.last}, is before the first, {self.first}")
        if next(_walls(self, datetime.combine(_REFERENCE, time())), None) is None:
            between = f" up to {self.last}" if self.last else ""
            raise Invalid(f'"{self.expression}" never fires{between}; choose a day that exists')


Schedule = RunOnce | CronSchedule


def next_due(schedule: Schedule, *, after: datetime) -> datetime | None:
    """Give the first run after `after`, in UTC; None if there is none any more."""
    return next(_dues(schedule, after), None)


def due_times(schedule: Schedule, *, after: datetime, until: datetime) -> Iterator[datetime]:
    """Give all runs after `after` and up to `until` itself, in UTC and in order."""
    for due in _dues(schedule, after):
        if due > until:
            return
        yield due


def _dues(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    if isinstance(schedule, RunOnce):
        if schedule.at > after:
            yield schedule.at.astimezone(UTC)
        return
    # What the wall has shown by `after` has come; in an hour's second coming, so has what it will show.
    for wall in _walls(schedule, after.astimezone(schedule.zone).replace(tzinfo=None)):
        due = first_instant(wall, schedule.zone)
        if due > after:
            yield due
            after = due


def _walls(cron: CronSchedule, since: datetime) -> Iterator[datetime]:
    """Give the times on the wall after `since` that the expression names, from the first day to the last."""
    if cron.first:
        since = max(since, datetime.combine(cron.first, time()) - _MINUTE)
    times = croniter(cron.expression, since.replace(second=0, microsecond=0), max_years_between_matches=50)
    for wall in times.all_next(datetime):
        if cron.last and wall.date() > cron.last:
            return
        yield wall


def _check(expression: str) -> None:
    fields = expression.split() if len(expression) <= _LONGEST else []
    shown = expression[:_LONGEST]
    if len(fields) != len(_SHAPE.split()):
        raise Invalid(f'"{shown}" must have five fields, {_SHAPE}, like "0 9 * * mon"')
    if _RANDOM.search(expression.lower()):
        raise Invalid(f'"{shown}" asks for a random time; write a fixed one, like "0 9 * * mon"')
    try:
        croniter.expand(expression)
    except CroniterError:
        raise Invalid(f'"{shown}" is no cron expression; write {_SHAPE}, like "0 9 * * mon"') from None
