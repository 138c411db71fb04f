"""Time as a run with allowed hours counts it: only while they are open."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dispatcher.domain.hours.allowed_hours import HORIZON, AllowedHours, closing, opening


class OpenTime:
    """
    The open time from `start` on, counted as if its stretches followed each other without a gap.

    Without hours all time is open; none is within a pause. Stretches are
    found when they are asked for, and kept.
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
        self._before: list[timedelta] = []  # how much was open before each stretch
        self._closes: list[datetime | None] = []
        self._end, self._open = start, timedelta()  # of the last stretch, and up to there

    def at(self, passed: timedelta) -> datetime | None:
        """
        Tell when so much open time has passed; where that is at a closing, the opening after it.

        None if there is no opening within 400 days of the closing before.
        """
        while passed >= self._open:
            if not self._find_next():
                return None
        index = bisect_right(self._before, passed) - 1
        return self._opens[index] + (passed - self._before[index])

    def closes(self, passed: timedelta) -> datetime | None:
        """Tell when the stretch closes in which that is; None if never, or not within 400 days."""
        if self.at(passed) is None:
            return None
        return self._closes[bisect_right(self._before, passed) - 1]

    def passed(self, until: datetime) -> timedelta:
        """Tell how much time is open before `until`."""
        while self._end <= until and self._find_next():
            pass
        index = bisect_right(self._opens, until) - 1
        if index < 0:
            return timedelta()
        after = self._before[index + 1] if index + 1 < len(self._before) else self._open
        return min(self._before[index] + (until - self._opens[index]), after)

    def is_over(self, at: datetime) -> bool:
        """Tell whether it does not open again within 400 days."""
        self.passed(at)
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
