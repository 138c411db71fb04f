"""The timer: releases messages at their `wake_at`, between the ticks of beat."""

import asyncio
from datetime import datetime, timedelta

import structlog

from dispatcher.domain.errors import Unavailable
from dispatcher.lanes.wake import LONGEST_SLEEP, WakeListener
from dispatcher.service.clock.sweeps import Backlog, Clock
from dispatcher.service.context import Context

log = structlog.get_logger()

_BUSY = timedelta(milliseconds=200)
_BACKLOG_PAUSE = 3
_RETRY = 1.0


async def run_timer(ctx: Context, clock: Clock, wake_listener: WakeListener) -> None:
    """
    Release and fill whenever messages are due, until cancelled.

    Whoever writes an earlier `wake_at` wakes the timer. While lanes accept
    messages it runs every fifth of a second, so that no lane runs empty. While
    there is a backlog and no lane has room, it pauses three times as long as
    the round took.
    """
    while True:
        began = ctx.now()
        try:
            moved = await clock.release() + await clock.fill()
            next_wake = await clock.next_wake()
        except Unavailable as error:
            log.warning("timer_waits", error=str(error))
            await asyncio.sleep(_RETRY)
            continue
        if clock.backlog is Backlog.WANTED:
            continue
        now = ctx.now()
        pause = _BUSY if moved else LONGEST_SLEEP
        if clock.backlog is Backlog.WAITS:
            pause = min(pause, _BACKLOG_PAUSE * (now - began))
        until = now + pause
        if next_wake is not None:
            until = min(until, next_wake + ctx.time.uncertainty)
        await _sleep(ctx, wake_listener, until=until)


async def _sleep(ctx: Context, wake_listener: WakeListener, *, until: datetime) -> None:
    """Sleep until `until`, or until an earlier time that is announced."""
    while (left := (until - ctx.now()) / timedelta(seconds=1)) > 0:
        earlier = await wake_listener.next(left)
        if earlier is not None:
            until = min(until, earlier + ctx.time.uncertainty)
