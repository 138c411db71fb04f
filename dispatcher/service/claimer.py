"""
Claims in micro-batches: what has its token and its slot is claimed with what else has.

"Claimed" means "the request goes out now": the calls wait here for at most a
few milliseconds, and a killed worker leaves in doubt only what was out.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatcher.domain.message import Due
from dispatcher.domain.tier import Tier
from dispatcher.service.context import Context
from dispatcher.service.recorder import Recorder
from dispatcher.store import delivery

_ROWS = 50
_WAIT = 0.003


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's right to make one attempt, until `lease_end`."""

    attempt: int
    lease_end: datetime


class Claimer:
    """One for each process. Claims nothing while the recorder is behind."""

    def __init__(self, ctx: Context, recorder: Recorder) -> None:
        self._ctx = ctx
        self._recorder = recorder
        self._waiting: list[tuple[Due, str, asyncio.Future[Claim | None]]] = []
        self._flushes: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.closed = False

    async def claim(self, due: Due, provider: str) -> Claim | None:
        """Claim one message; None means that it is not to be sent here and now. Raises Unavailable."""
        future: asyncio.Future[Claim | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((due, provider, future))
        if len(self._waiting) >= _ROWS:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_WAIT, self._flush)
        return await future

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, []
        if batch:
            task = asyncio.create_task(self._claim(batch))
            self._flushes.add(task)
            task.add_done_callback(self._flushes.discard)

    async def _claim(self, batch: list[tuple[Due, str, asyncio.Future[Claim | None]]]) -> None:
        if self.closed or self._recorder.is_behind:
            for _, _, future in batch:
                future.set_result(None)
            return
        lease_end = self._ctx.now() + min(lease(self._ctx, due.tier) for due, _, _ in batch)
        wanted = [(due.id, provider) for due, provider, _ in batch]
        try:
            attempts = await self._ctx.database.transact(
                lambda connection: delivery.claim(connection, wanted, lease_end=lease_end)
            )
        except Exception as error:  # each waiter raises it, where it is handled or crashes
            for _, _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for due, _, future in batch:
            if not future.done():
                attempt = attempts.pop(due.id, None)  # two chunks may name it: the claim is one caller's
                future.set_result(None if attempt is None else Claim(attempt, lease_end))


def lease(ctx: Context, tier: Tier) -> timedelta:
    """Tell how long a claim lasts: for critical only so long that the slowest call fits well."""
    whole = timedelta(seconds=ctx.settings.lease)
    if tier is not Tier.CRITICAL:
        return whole
    slowest = max((way.config.call_timeout for way in ctx.ways.values()), default=timedelta())
    return min(whole, slowest * 2)
