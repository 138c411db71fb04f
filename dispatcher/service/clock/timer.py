"""Between the ticks: sleep until the earliest `wake_at`, and release exactly then. Beat is the minimum."""

import asyncio
from datetime import datetime, timedelta

import structlog

from dispatcher.domain.errors import Unavailable
from dispatcher.lanes.wake import LONGEST_SLEEP, WakeListener
from dispatcher.service.clock.sweeps import Backlog, Clock
from dispatcher.service.context import Context

log = structlog.get_logger()

_BUSY = timedelta(milliseconds=200)
_ASIDE = 3
_AWAY = 1.0


async def run_timer(ctx: Context, clock: Clock, bell: WakeListener) -> None:
    """
    Release and fill whenever something is due, until cancelled.

    The writer of an earlier `wake_at` wakes it. While lanes take messages it
    looks every fifth of a second, so that none runs empty. After a crowd for
    which no lane waits, it pauses three times as long as the round took.
    """
    while True:
        began = ctx.now()
        try:
            moved = await clock.release() + await clock.fill()
            next_wake = await clock.next_wake()
        except Unavailable as error:
            log.warning("timer_waits", error=str(error))
            await asyncio.sleep(_AWAY)
            continue
        if clock.backlog is Backlog.WANTED:
            continue
        now = ctx.now()
        pause = _BUSY if moved else LONGEST_SLEEP
        if clock.backlog is Backlog.WAITS:
            pause = min(pause, _ASIDE * (now - began))
        until = now + pause
        if next_wake is not None:
            until = min(until, next_wake + ctx.time.uncertainty)
        await _sleep(ctx, bell, until=until)


async def _sleep(ctx: Context, bell: WakeListener, *, until: datetime) -> None:
    """Sleep until then, or until an earlier time that is announced."""
    while (left := (until - ctx.now()) / timedelta(seconds=1)) > 0:
        earlier = await bell.next(left)
        if earlier is not None:
            until = min(until, earlier + ctx.time.uncertainty)
