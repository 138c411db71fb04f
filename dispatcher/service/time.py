"""
The time of Postgres, without a query for each reading.

The offset between Postgres and a monotonic clock, which also counts while the
machine sleeps, is sampled at the start and at intervals. It is wrong by at
most half of the fastest round trip.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy import text

from dispatcher.service.database import Database

log = structlog.get_logger()

INTERVAL = timedelta(seconds=30)
_SAMPLES = 5
_DRIFT = timedelta(milliseconds=50)
_TICKS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_NOW = text("SELECT clock_timestamp()")


class Time(Protocol):
    """The clock of a Context. `now()` is wrong by at most `uncertainty`."""

    uncertainty: timedelta

    def now(self) -> datetime:
        """Return the time of Postgres, in UTC."""


class PostgresTime:
    """The clock of Postgres, read through a sampled offset."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._zero: datetime | None = None
        self.uncertainty = timedelta(seconds=1)

    def now(self) -> datetime:
        """Return the time of Postgres; before the first sample, that of this machine."""
        if self._zero is None:
            return datetime.now(UTC)
        return self._zero + _ticks()

    async def sample(self) -> None:
        """Measure the offset, and log a drift. Raises Unavailable."""
        best, zero = timedelta.max, None
        for _ in range(_SAMPLES):
            asked = _ticks()
            answer = await self._database.single(lambda c: c.scalar(_NOW))
            trip = _ticks() - asked
            if trip < best:
                assert isinstance(answer, datetime)
                best, zero = trip, answer.astimezone(UTC) - asked - trip / 2
        assert zero is not None
        if self._zero is not None and abs(zero - self._zero) > max(_DRIFT, best):
            log.warning("clock_drifted", by_ms=(zero - self._zero) / timedelta(milliseconds=1))
        self._zero, self.uncertainty = zero, best / 2


def _ticks() -> timedelta:
    return timedelta(microseconds=time.clock_gettime_ns(_TICKS) // 1000)
