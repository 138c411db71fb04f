"""When each recipient of a run is released: by its pacing, over the hours of each group of time zones."""

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
    """When a recipient is released, and when the hours that it is released in end, where there are any."""

    at: datetime
    closes_at: datetime | None


@dataclass(frozen=True, slots=True)
class Timetable:
    """
    The releases of one run.

    `groups` are the zones of each group of recipients, `counts` how many are
    in each. A group spreads over its own open time, from `starts_at` on, and
    a pause is no open time.
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
        """Count the recipients of a group released before `at`; all, where its hours never open again."""
        open_time, count = self._open_time(group), self.counts[group]
        if open_time.is_over(at):
            return count
        return released_within(self.pacing, open_time.passed(at), group=count, total=self.total)

    def release(self, group: int, rank: int) -> PlannedRelease | None:
        """Tell when recipient `rank` of a group, from 0 on, is released; None if its hours never open."""
        passed = open_time_before(self.pacing, rank=rank, group=self.counts[group], total=self.total)
        open_time = self._open_time(group)
        at = open_time.at(passed)
        return None if at is None else PlannedRelease(at, open_time.closes(passed))

    def last(self) -> datetime:
        """Tell when the last recipient is released; the start, where nobody ever is."""
        ends = [self.release(group, count - 1) for group, count in enumerate(self.counts) if count]
        return max((end.at for end in ends if end is not None), default=self.starts_at)

    def never_open(self) -> Sequence[str]:
        """Name the groups of zones whose hours do not open within 400 days."""
        return [
            ", ".join(zone.key for zone in zones)
            for group, (zones, count) in enumerate(zip(self.groups, self.counts, strict=True))
            if count and self._open_time(group).at(timedelta()) is None
        ]

    def _open_time(self, group: int) -> OpenTime:
        zones = self.groups[group] if self.hours else ()
        return _open_time(self.hours, zones, self.starts_at, self.pauses)


def parse_zone_group(group: str) -> tuple[ZoneInfo, ...]:
    """Read a group of zones as an audience keeps it: their names, with commas between them."""
    return tuple(parse_zone(name) for name in group.split(","))


@lru_cache(maxsize=1024)
def _open_time(
    hours: AllowedHours | None,
    zones: tuple[ZoneInfo, ...],
    start: datetime,
    pauses: tuple[tuple[datetime, datetime], ...],
) -> OpenTime:
    return OpenTime(hours, zones, start=start, pauses=pauses)
