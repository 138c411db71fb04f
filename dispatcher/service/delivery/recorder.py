"""
Writes the outcomes of calls to Postgres, in batches.

No outcome is discarded: while Postgres cannot be reached the recorder retries,
and `is_behind` keeps the process from claiming more messages.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from types import MappingProxyType

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.delivery.message import Attempt, DecidedAttempt, Verdict
from dispatcher.domain.delivery.provider import Accepted, Outcome, PartlyAccepted, Rejected, rest_of
from dispatcher.domain.delivery.verdict import decide
from dispatcher.domain.errors import Unavailable
from dispatcher.domain.messages.status import Place
from dispatcher.domain.messages.text import storable_text
from dispatcher.service.context import Context
from dispatcher.store.accounts import ledger, opt_outs
from dispatcher.store.delivery import outcomes

log = structlog.get_logger()

_ROWS = 500
_BEHIND = timedelta(seconds=1)
_LONGEST_PAUSE = 1.0
LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class _Unwritten:
    decided: DecidedAttempt
    put_at: float


class Recorder:
    """The queue of outcomes of one process; `run` writes them."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._queue: list[_Unwritten] = []  # oldest first; a batch is removed after it is written
        self._some = asyncio.Event()
        self._doubt = cache(ctx.settings.doubt)
        self._stopping = False
        self.poisoned = 0

    @property
    def is_behind(self) -> bool:
        """Whether any outcome has waited for more than a second, those being written included."""
        return bool(self._queue) and time.monotonic() - self._queue[0].put_at > _BEHIND.total_seconds()

    @property
    def waiting(self) -> int:
        """How many outcomes are not written yet."""
        return len(self._queue)

    def put(self, attempt: Attempt) -> Verdict:
        """Return the verdict on an attempt, and queue both to be written."""
        ctx = self._ctx
        verdict = decide(
            attempt,
            now=ctx.now(),
            retry=ctx.settings.retry_policy,
            doubt=self._doubt(attempt.provider, attempt.tier),
            rng=ctx.rng,
        )
        if (reason := storable_text(verdict.reason, longest=LONGEST_REASON)) != verdict.reason:
            verdict = replace(verdict, reason=reason)
        self._queue.append(_Unwritten(DecidedAttempt(attempt, verdict), time.monotonic()))
        self._some.set()
        return verdict

    async def run(self) -> None:
        """Write outcomes, until `stop` is called and all are written."""
        while not (self._stopping and not self._queue):
            await self._some.wait()
            self._some.clear()
            if not self._stopping:
                await asyncio.sleep(self._ctx.settings.flush_interval)
            while self._queue:
                batch = [unwritten.decided for unwritten in self._queue[:_ROWS]]
                await self._write(batch)
                del self._queue[: len(batch)]

    def stop(self) -> None:
        """Make `run` return as soon as all outcomes are written."""
        self._stopping = True
        self._some.set()

    async def _write(self, batch: Sequence[DecidedAttempt]) -> None:
        pause = 0.05
        while True:
            try:
                await write(self._ctx, batch)
            except Unavailable as error:
                log.warning("outcomes_waiting", outcomes=len(self._queue), error=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except DBAPIError as error:
                await self._write_singly(batch, error)
                return
            else:
                return

    async def _write_singly(self, batch: Sequence[DecidedAttempt], error: DBAPIError) -> None:
        if len(batch) > 1:
            for decided in batch:
                await self._write([decided])
            return
        # Postgres will never accept this row: write the outcome without the provider's references.
        attempt, verdict = batch[0]
        self.poisoned += 1
        log.error("outcome_refused", message_id=attempt.message_id, error=str(error.orig))
        if (plain := _without_refs(attempt.outcome)) != attempt.outcome:
            reason = f"{verdict.reason}; reference unreadable"
            await self._write(
                [DecidedAttempt(replace(attempt, outcome=plain), replace(verdict, reason=reason))]
            )


def _without_refs(outcome: Outcome) -> Outcome:
    match outcome:
        case Accepted():
            return Accepted(())
        case PartlyAccepted(taken=taken):
            return replace(outcome, taken=dict.fromkeys(taken, ""))
    return outcome


async def write(ctx: Context, batch: Sequence[DecidedAttempt]) -> None:
    """Write outcomes and refunds, and wake the timer for the next tries. Raises Unavailable."""
    now = ctx.now()
    polls = {
        name: configured.config.poll
        for name, configured in ctx.providers.items()
        if configured.config.poll is not None
    }
    await ctx.database.transact(lambda connection: record(connection, batch, now=now, polls=polls))
    wakes = [v.wake_at for _, v in batch if v.place is Place.HELD and v.wake_at is not None]
    if wakes:
        ctx.lanes.wake(min(wakes))


async def record(
    connection: AsyncConnection,
    batch: Sequence[DecidedAttempt],
    *,
    now: datetime,
    polls: Mapping[str, timedelta] = MappingProxyType({}),
) -> None:
    """Write outcomes, opt-outs and refunds in an open transaction; `polls` as for `outcomes.record`."""
    moved = await outcomes.record(connection, batch, now=now, polls=polls)
    opted_out = [
        t.message_id for t, _ in batch if isinstance(end := rest_of(t.outcome), Rejected) and end.opted_out
    ]
    if opted_out:
        await opt_outs.insert_reported(connection, opted_out, now=now)
    refunds = [row.id for row in moved if row.charged and row.status.is_refunded]
    await ledger.refund(connection, refunds)
