"""
When a campaign runs: once, or repeatedly by a cron expression in the local time of a zone.

There is one rule for days on which clocks change: each local time fires once,
at its first instant or, if it is skipped, at the moment of the change. So a
daily run is never doubled and never lost. A run every 15 minutes pauses while
an hour is repeated, and the four runs of a skipped hour become one run at the
moment of the change.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter

from dispatcher.domain.errors import Invalid
from dispatcher.domain.hours.local_time import first_instant

_MAX_LENGTH = 200  # characters of an expression
_MINUTE = timedelta(minutes=1)
_REFERENCE = date(2000, 1, 1)  # from where an expression is tried; croniter looks 50 years ahead
_RANDOM = re.compile(
    r"(?<![a-z])[hr](?![a-z])"
)  # croniter's random values, different at each reading; not the letters in "thu" or "mar"
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
    Runs by a cron expression of five fields, so at most one a minute.

    `first` and `last` are local days of the zone, both included. Raises
    Invalid for an expression that is not valid or never fires on these days.
    """

    expression: str
    zone: ZoneInfo
    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        _check_expression(self.expression)
        if self.first and self.last and self.last < self.first:
            raise Invalid(f"the last day, {self.last}, is before the first, {self.first}")
        if next(_local_times(self, datetime.combine(_REFERENCE, time())), None) is None:
            between = f" up to {self.last}" if self.last else ""
            raise Invalid(f'"{self.expression}" never fires{between}; choose a day that exists')


Schedule = RunOnce | CronSchedule


def next_due(schedule: Schedule, *, after: datetime) -> datetime | None:
    """Return the first run after `after`, in UTC; None if no more follow."""
    return next(_due_times(schedule, after), None)


def due_times(schedule: Schedule, *, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield all runs after `after` and up to and including `until`, in UTC and in order."""
    for due in _due_times(schedule, after):
        if due > until:
            return
        yield due


def _due_times(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    if isinstance(schedule, RunOnce):
        if schedule.at > after:
            yield schedule.at.astimezone(UTC)
        return
    # Local times up to that of `after` have fired; while an hour is repeated, so have those that will repeat.
    for wall in _local_times(schedule, after.astimezone(schedule.zone).replace(tzinfo=None)):
        due = first_instant(wall, schedule.zone)
        if due > after:
            yield due
            after = due


def _local_times(cron: CronSchedule, since: datetime) -> Iterator[datetime]:
    """Yield the local times of the expression after `since`, from the first day to the last."""
    if cron.first:
        since = max(since, datetime.combine(cron.first, time()) - _MINUTE)
    times = croniter(cron.expression, since.replace(second=0, microsecond=0), max_years_between_matches=50)
    for wall in times.all_next(datetime):
        if cron.last and wall.date() > cron.last:
            return
        yield wall


def _check_expression(expression: str) -> None:
    fields = expression.split() if len(expression) <= _MAX_LENGTH else []
    shown = expression[:_MAX_LENGTH]
    if len(fields) != len(_SHAPE.split()):
        raise Invalid(f'"{shown}" must have five fields, {_SHAPE}, like "0 9 * * mon"')
    if _RANDOM.search(expression.lower()):
        raise Invalid(f'"{shown}" asks for a random time; write a fixed one, like "0 9 * * mon"')
    try:
        croniter.expand(expression)
    except CroniterError:
        raise Invalid(f'"{shown}" is not a cron expression; write {_SHAPE}, like "0 9 * * mon"') from None
