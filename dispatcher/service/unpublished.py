"""Messages whose ids are known not to have reached Redis: they become ready at once."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from dispatcher.domain.errors import Unavailable
from dispatcher.service.database import Database
from dispatcher.service.time import Time
from dispatcher.store.delivery import claims

log = structlog.get_logger()

_PAUSE = 0.1
_MOST = 5000
_KEPT = 100_000


class UnpublishedMessages:
    """
    Collects the ids that a publisher could not publish, and makes their messages ready.

    The clock finds by itself what is more than it keeps, or what Postgres
    cannot be given.
    """

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
            if await self.make_ready():
                wake(self._time.now())

    async def make_ready(self) -> int:
        """Make the collected messages ready that are still in their lane; return how many ids there were."""
        count = 0
        while some := self._ids[:_MOST]:
            now = self._time.now()
            try:
                await self._database.single(
                    lambda c, ids=some, now=now: claims.return_to_ready(c, ids, now=now)  # type: ignore[misc]
                )
            except Unavailable as error:
                log.warning("unpublished_left_to_the_clock", messages=len(some), error=str(error))
            del self._ids[: len(some)]
            count += len(some)
        return count
