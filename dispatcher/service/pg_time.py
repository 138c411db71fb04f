"""
Postgres's time in this process, without asking for it each time.

The offset to a clock that no one sets (it goes on while the machine sleeps)
is sampled at start and again and again; half of the fastest round trip is
how wrong it can be.
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
    """The one clock of a Context."""

    uncertainty: timedelta

    def now(self) -> datetime:
        """Tell Postgres's time, in UTC."""


class PostgresTime:
    """Follows Postgres's clock."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._zero: datetime | None = None
        self.uncertainty = timedelta(seconds=1)

    def now(self) -> datetime:
        """Tell Postgres's time; before the first sample, this machine's."""
        if self._zero is None:
            return datetime.now(UTC)
        return self._zero + _ticks()

    async def sample(self) -> None:
        """Compare with Postgres, and report if the two have drifted apart. Raises Unavailable."""
        best, zero = timedelta.max, None
        for _ in range(_SAMPLES):
            asked = _ticks()
            told = await self._database.single(lambda c: c.scalar(_NOW))
            trip = _ticks() - asked
            if trip < best:
                assert isinstance(told, datetime)
                best, zero = trip, told.astimezone(UTC) - asked - trip / 2
        assert zero is not None
        if self._zero is not None and abs(zero - self._zero) > max(_DRIFT, best):
            log.warning("clock_drifted", by_ms=(zero - self._zero) / timedelta(milliseconds=1))
        self._zero, self.uncertainty = zero, best / 2


def _ticks() -> timedelta:
    return timedelta(microseconds=time.clock_gettime_ns(_TICKS) // 1000)
