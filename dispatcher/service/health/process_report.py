"""Each process reports itself from its loop: that it lives, what it consumes, how far its clock is off."""

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dispatcher.lanes.process_report import ProcessReport
from dispatcher.service.context import Context

_INTERVAL = timedelta(seconds=5)

Consumed = Callable[[], datetime | None]
"""When this process last consumed a probe of its own queue."""

WallClock = Callable[[], datetime]
"""The wall clock of this machine, which may be wrong."""


def wall_clock() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


def nothing_consumed() -> datetime | None:
    """Return None: the process is no worker."""
    return None


def first_report(
    ctx: Context, name: str, *, queues: frozenset[str] = frozenset(), wall: WallClock = wall_clock
) -> ProcessReport:
    """Return the report of this process at its start."""
    now = ctx.now()
    return ProcessReport(name, socket.gethostname(), os.getpid(), queues, now, now, wall() - now)


async def keep_reporting(
    ctx: Context,
    first: ProcessReport,
    *,
    wall: WallClock = wall_clock,
    consumed: Consumed = nothing_consumed,
) -> None:
    """
    Report this process every five seconds, and withdraw the report at the end.

    A process without queues, such as a command, reports only once it has lasted for as long.
    """
    try:
        if first.queues:
            await ctx.heartbeats.report(first)
        while True:
            await asyncio.sleep(_INTERVAL.total_seconds())
            now = ctx.now()
            report = replace(
                first,
                at=now,
                ahead=wall() - now,
                consumed=consumed(),
                failed_logins=ctx.failed_logins.last_hour(now),
            )
            await ctx.heartbeats.report(report)
    finally:
        await ctx.heartbeats.withdraw(first)
