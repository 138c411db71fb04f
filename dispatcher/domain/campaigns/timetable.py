"""When each recipient of a run is released, by pacing and by the allowed hours of its group of time zones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dispatcher.domain.campaigns.pacing import Pacing, open_time_before, released_within
from dispatcher.domain.hours.allowed_hours import AllowedHours
from dispatcher.domain.hours.open_time import OpenTime
from dispatcher.domain.hours.zones import parse_zone


class PlannedRelease(NamedTuple):
    """When a recipient is released, and when the allowed hours end in which it is; None without hours."""

    at: datetime
    closes_at: datetime | None


@dataclass(frozen=True, slots=True)
class Timetable:
    """
    The releases of one run.

    `groups` has the zones of each group of recipients, `counts` the number of
    recipients in each. A group is spread over its own open time from
    `starts_at` on; pauses do not count as open time.
    """

    starts_at: datetime
    pacing: Pacing
    hours: AllowedHours | None
    groups: tuple[tuple[ZoneInfo, ...], ...]
    counts: tuple[int, ...]
    pauses: tuple[tuple[datetime, datetime], ...] = ()

    @property
    def total(self) -> int:
        """How many recipients there are."""
        return sum(self.counts)

    def released_before(self, group: int, at: datetime) -> int:
        """Return how many of a group are released before `at`; all if its hours never open again."""
        open_time, count = self._open_time(group), self.counts[group]
        if open_time.is_over(at):
            return count
        return released_within(self.pacing, open_time.elapsed(at), group=count, total=self.total)

    def release(self, group: int, rank: int) -> PlannedRelease | None:
        """Return when recipient `rank` (from 0) of a group is released; None if its hours never open."""
        elapsed = open_time_before(self.pacing, rank=rank, group=self.counts[group], total=self.total)
        open_time = self._open_time(group)
        at = open_time.at(elapsed)
        return None if at is None else PlannedRelease(at, open_time.closes(elapsed))

    def last(self) -> datetime:
        """Return when the last recipient is released; the start if none ever is."""
        ends = [self.release(group, count - 1) for group, count in enumerate(self.counts) if count]
        return max((end.at for end in ends if end is not None), default=self.starts_at)

    def never_open(self) -> Sequence[str]:
        """Return the names of the groups of zones whose hours do not open within 400 days."""
        return [
            ", ".join(zone.key for zone in zones)
            for group, (zones, count) in enumerate(zip(self.groups, self.counts, strict=True))
            if count and self._open_time(group).at(timedelta()) is None
        ]

    def _open_time(self, group: int) -> OpenTime:
        zones = self.groups[group] if self.hours else ()
        return _open_time(self.hours, zones, self.starts_at, self.pauses)


def parse_zone_group(group: str) -> tuple[ZoneInfo, ...]:
    """Return the zones of a group as an audience stores it: their names, joined by commas."""
    return tuple(parse_zone(name) for name in group.split(","))


@lru_cache(maxsize=1024)
def _open_time(
    hours: AllowedHours | None,
    zones: tuple[ZoneInfo, ...],
    start: datetime,
    pauses: tuple[tuple[datetime, datetime], ...],
) -> OpenTime:
    return OpenTime(hours, zones, start=start, pauses=pauses)
