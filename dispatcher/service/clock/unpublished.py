"""
Messages whose ids are known not to have reached Redis become ready at once.

An id may have reached it after all, where only the answer was lost: then it is
published twice, and the first claim decides.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

import structlog

from dispatcher.domain.errors import Unavailable
from dispatcher.service.database import Database
from dispatcher.service.time import Time
from dispatcher.store.delivery import claims

log = structlog.get_logger()

_PAUSE = 0.1
_RETRY = 1.0
_BATCH = 5000
_KEPT = 100_000


class UnpublishedMessages:
    """Collects the ids that a publisher could not publish; those that are too many are left to requeue."""

    def __init__(self, database: Database, time: Time) -> None:
        self._database = database
        self._time = time
        self._ids: list[int] = []

    def add(self, ids: Sequence[int]) -> None:
        """Collect these ids, in any thread."""
        self._ids.extend(ids[: max(0, _KEPT - len(self._ids))])

    async def run(self, wake: Callable[[datetime], None]) -> None:
        """Make the collected messages ready and wake the clock, until cancelled."""
        while True:
            await asyncio.sleep(_PAUSE)
            try:
                if await self.make_ready():
                    wake(self._time.now())
            except Unavailable as error:
                log.warning("unpublished_wait_for_postgres", messages=len(self._ids), error=str(error))
                await asyncio.sleep(_RETRY)

    async def make_ready(self) -> int:
        """
        Make the collected messages ready that are still in their lane; return how many ids there were.

        Raises Unavailable, and keeps what is left.
        """
        count = 0
        while some := self._ids[:_BATCH]:
            await self._database.single(partial(claims.return_to_ready, ids=some, now=self._time.now()))
            del self._ids[: len(some)]
            count += len(some)
        return count

    async def close(self) -> None:
        """Make the last ones ready; without Postgres they are left to requeue."""
        with suppress(Unavailable):
            await self.make_ready()
