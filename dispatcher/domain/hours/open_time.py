"""The time that counts for a run with allowed hours: only while they are open."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dispatcher.domain.hours.allowed_hours import HORIZON, AllowedHours, closing, opening


class OpenTime:
    """
    The open time from `start` on, counted as if its periods followed each other without gaps.

    Without hours all time is open, except for pauses. Periods are computed
    when they are needed, and cached.
    """

    def __init__(
        self,
        hours: AllowedHours | None,
        zones: Sequence[ZoneInfo],
        *,
        start: datetime,
        pauses: Sequence[tuple[datetime, datetime]] = (),
    ) -> None:
        self._hours = hours
        self._zones = zones
        self._pauses = sorted(pauses)
        self._opens: list[datetime] = []
        self._before: list[timedelta] = []  # how much time was open before each period
        self._closes: list[datetime | None] = []
        self._end, self._open = start, timedelta()  # the end of the last period, and the open time up to it

    def at(self, elapsed: timedelta) -> datetime | None:
        """
        Return when this much open time has elapsed; at the end of a period, the start of the next one.

        None if the hours do not open within 400 days of the last closing.
        """
        while elapsed >= self._open:
            if not self._find_next():
                return None
        index = bisect_right(self._before, elapsed) - 1
        return self._opens[index] + (elapsed - self._before[index])

    def closes(self, elapsed: timedelta) -> datetime | None:
        """Return when the period ends in which this much has elapsed; None if not within 400 days."""
        if self.at(elapsed) is None:
            return None
        return self._closes[bisect_right(self._before, elapsed) - 1]

    def elapsed(self, until: datetime) -> timedelta:
        """Return how much time is open before `until`."""
        while self._end <= until and self._find_next():
            pass
        index = bisect_right(self._opens, until) - 1
        if index < 0:
            return timedelta()
        after = self._before[index + 1] if index + 1 < len(self._before) else self._open
        return min(self._before[index] + (until - self._opens[index]), after)

    def is_over(self, at: datetime) -> bool:
        """Return whether the hours do not open again within 400 days."""
        self.elapsed(at)
        return self._end <= at

    def _find_next(self) -> bool:
        opens = self._opening(self._end)
        for since, until in self._pauses:
            if opens is not None and since <= opens < until:
                opens = self._opening(until)
        if opens is None:
            return False
        closes = None if self._hours is None else closing(self._hours, self._zones, at=opens)
        self._opens.append(opens)
        self._before.append(self._open)
        self._closes.append(closes)
        ends = [since for since, _ in self._pauses if since > opens]
        self._end = min([closes or opens + HORIZON, *ends])
        self._open += self._end - opens
        return True

    def _opening(self, at: datetime) -> datetime | None:
        return at if self._hours is None else opening(self._hours, self._zones, at=at)
