"""
The duties of the clock: release, fill, requeue, expire, rescue, no_receipt, join, settle, forget.

Each works in bounded batches until a batch is not full, except release (one
batch of each tier) and fill (as many as the lanes have room for). Each may run
twice at once and may be killed at any point, because its predicates are
idempotent, and returns the number of rows that it changed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial
from typing import Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.delivery.message import DecidedAttempt
from dispatcher.domain.delivery.verdict import decide
from dispatcher.domain.tier import Tier
from dispatcher.service.clock.release import BATCH, Releaser
from dispatcher.service.context import Context
from dispatcher.service.delivery.recorder import record
from dispatcher.service.inbound.joining import store_incomplete
from dispatcher.service.lane_depth import DrainRate
from dispatcher.service.submissions.idempotency import KEPT_FOR
from dispatcher.store.accounts import ledger, reservations, tokens
from dispatcher.store.clock import sweeps
from dispatcher.store.inbound import joins
from dispatcher.store.submissions import idempotency

log = structlog.get_logger()


class ClockDuty(Protocol):
    """Runs one bounded batch of a duty; returns the number of rows that it changed."""

    def __call__(self, connection: AsyncConnection, *, now: datetime) -> Awaitable[int]: ...  # noqa: D102


class Backlog(Enum):
    """Whether more messages are due than one batch, and whether a lane needs them."""

    NONE = auto()
    WAITS = auto()  # the lanes are full enough: there is no hurry
    WANTED = auto()  # a lane has room for more messages than are ready


class Clock:
    """The duties of the clock, and the state that they keep between runs."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._drains = {tier: DrainRate(ctx, tier) for tier in Tier}
        self._releaser = Releaser(ctx)
        self._short: set[Tier] = set()
        self._reconnected: tuple[int, datetime] | None = None
        self._running: set[Callable[[], Awaitable[int]]] = set()

    async def tick(self) -> None:
        """
        Run the duties of every second side by side, except those that still run.

        When all have ended, raises the first error; further errors are logged.
        """
        duties = (
            self.release,
            self.fill,
            self.requeue,
            self.expire,
            self.rescue,
            self.no_receipt,
            self.join,
            self.settle,
        )
        ended = await asyncio.gather(*[self._unless_running(duty) for duty in duties], return_exceptions=True)
        failed = [(duty, failure) for duty, failure in zip(duties, ended, strict=True) if failure is not None]
        for duty, failure in failed[1:]:
            # Not its repr: logs remove the rows that Postgres quotes by lines, which a repr does not have.
            log.error("duty_failed", duty=duty.__name__, error=f"{type(failure).__name__}: {failure}")
        if failed:
            raise failed[0][1]

    async def release(self) -> int:
        """Move a batch of due messages of each tier to `ready` or into its lane."""
        return await self._releaser.release()

    async def fill(self) -> int:
        """Fill each lane to its depth, critical first; accounts take turns."""
        return sum([await self._fill(tier) for tier in Tier])

    async def requeue(self) -> int:
        """Make messages ready that were in their lane too long: Redis lost the id, or no worker read it."""
        return sum(
            [await self._until_short(partial(sweeps.requeue, tier=tier, limit=BATCH)) for tier in Tier]
        )

    async def expire(self) -> int:
        """End the messages that no worker holds and whose window is over."""
        return await self._until_short(_expire)

    async def no_receipt(self) -> int:
        """Add an event to messages that are still 12 when the time for their receipt is over."""
        return await self._until_short(partial(sweeps.mark_no_receipt, limit=BATCH))

    async def join(self) -> int:
        """Store what is there of inbound messages whose parts have waited long enough for the others."""
        return await self._until_short(partial(store_incomplete, self._ctx, limit=BATCH))

    async def settle(self) -> int:
        """End reservations of transactions that are over, and give back what these did not use."""
        return await self._until_short(_settle)

    async def forget(self) -> int:
        """Delete the responses of old idempotency keys, expired tokens, and parts that were joined."""
        until = self._ctx.now() - KEPT_FOR
        duties = (idempotency.delete_old, tokens.delete_expired, joins.delete_old)
        return sum([await self._until_short(partial(_forget, duty, until)) for duty in duties])

    async def rescue(self) -> int:
        """
        End the claims of workers that died or do not respond: their messages are in doubt.

        Does nothing within one lease after Postgres started or could be reached
        again: a worker may still have outcomes that it could not write.
        """
        if not await self._is_settled():
            return 0
        return await self._until_short(self._rescue)

    async def next_wake(self) -> datetime | None:
        """Return the earliest `wake_at` of held messages, without those of a backlog that is due already."""
        return await self._releaser.next_wake()

    @property
    def backlog(self) -> Backlog:
        """Whether more messages are due than were released so far, and whether a lane needs them."""
        backlogged = self._releaser.backlogged
        if not backlogged:
            return Backlog.NONE
        return Backlog.WANTED if backlogged & self._short else Backlog.WAITS

    async def _unless_running(self, duty: Callable[[], Awaitable[int]]) -> None:
        if duty in self._running:
            return
        self._running.add(duty)
        try:
            await duty()
        finally:
            self._running.remove(duty)

    async def _until_short(self, duty: ClockDuty) -> int:
        total = 0
        while True:
            count = await self._ctx.database.transact(partial(duty, now=self._ctx.now()))
            total += count
            if count < BATCH:
                return total

    async def _fill(self, tier: Tier) -> int:
        """Fill one lane, unless another clock fills it at the moment, or its ids would not reach Redis."""
        if not self._ctx.lanes.reachable:
            return 0
        now = self._ctx.now()
        drain = self._drains[tier]

        async def work(connection: AsyncConnection) -> Sequence[int]:
            if not await sweeps.try_lock_fill(connection, tier):
                return []
            depth = await sweeps.lane_depth(connection, tier)
            room = drain.room(depth, now=now)
            filled = await sweeps.fill(connection, tier, room=room, now=now)
            drain.filled(depth + len(filled), now=now)
            (self._short.add if len(filled) < room else self._short.discard)(tier)
            return filled

        filled = await self._ctx.database.transact(work)
        self._ctx.lanes.publish(tier, filled)
        return len(filled)

    async def _rescue(self, connection: AsyncConnection, *, now: datetime) -> int:
        settings, rng = self._ctx.settings, self._ctx.rng
        tries = await sweeps.lock_overdue(connection, now=now, limit=BATCH)
        if tries:
            retry = settings.retry_policy
            decided = [
                DecidedAttempt(
                    t, decide(t, now=now, retry=retry, doubt=settings.doubt(t.provider, t.tier), rng=rng)
                )
                for t in tries
            ]
            await record(connection, decided, now=now)
        return len(tries)

    async def _is_settled(self) -> bool:
        now, lease = self._ctx.now(), timedelta(seconds=self._ctx.settings.lease)
        uptime = await self._ctx.database.single(lambda connection: sweeps.uptime(connection, now=now))
        reconnects = self._ctx.database.reconnects
        if self._reconnected is None:
            self._reconnected = (reconnects, now - lease)  # a new clock knows of no lost connection
        elif self._reconnected[0] != reconnects:
            self._reconnected = (reconnects, now)
        return uptime >= lease and now - self._reconnected[1] >= lease


class RetentionStep(Protocol):
    """Deletes a bounded number of rows that were no longer needed at `until`; returns their number."""

    def __call__(self, connection: AsyncConnection, *, until: datetime, limit: int) -> Awaitable[int]: ...  # noqa: D102


async def _forget(duty: RetentionStep, until: datetime, connection: AsyncConnection, *, now: datetime) -> int:
    return await duty(connection, until=min(until, now), limit=BATCH)


async def _settle(connection: AsyncConnection, *, now: datetime) -> int:
    return await reservations.settle(connection, limit=BATCH)


async def _expire(connection: AsyncConnection, *, now: datetime) -> int:
    swept = await sweeps.expire(connection, now=now, limit=BATCH)
    await ledger.refund(connection, [row.id for row in swept if row.charged and row.status.is_refunded])
    return len(swept)
