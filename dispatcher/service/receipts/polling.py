"""Asking the providers that do not tell by themselves what became of a message."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from math import inf

import structlog

from dispatcher.domain.delivery.provider import Polls, ReceiptReport
from dispatcher.domain.errors import Unavailable
from dispatcher.service.context import ConfiguredProvider, Context
from dispatcher.service.receipts import ingest
from dispatcher.store.receipts import polling
from dispatcher.store.receipts.polling import PollSchedule

log = structlog.get_logger()

SLICE = 100
LONGEST = timedelta(hours=1)
TIME_LIMIT = timedelta(seconds=30)
_REST = timedelta(minutes=1)


class Poller:
    """
    Asks for the receipts that are due; one for each process that does.

    A provider has one turn at a time, of so long at most, and none for a
    minute after one that failed. What it could not tell is asked for again
    when the reference is due next.
    """

    def __init__(self, ctx: Context, *, time_limit: timedelta = TIME_LIMIT) -> None:
        self._ctx = ctx
        self._seconds = time_limit.total_seconds()
        self._not_before: dict[str, float] = {}

    async def poll(self) -> int:
        """Give each provider that is polled its turn; tell how many receipts that brought."""
        now = asyncio.get_running_loop().time()
        free = [
            self._turn(name, configured)
            for name, configured in self._ctx.providers.items()
            if configured.config.poll is not None and self._not_before.get(name, now) <= now
        ]
        return sum(await asyncio.gather(*free))

    async def _turn(self, name: str, configured: ConfiguredProvider) -> int:
        loop = asyncio.get_running_loop()
        self._not_before[name] = inf
        rest = _REST
        try:
            async with asyncio.timeout(self._seconds):
                told = await self._ask_until_short(name, configured)
            rest = timedelta()
        except (TimeoutError, Unavailable) as error:
            log.warning("poll_failed", provider=name, error=str(error) or "its turn was over")
        except Exception:  # a bug of one plug-in is not to silence the others
            log.exception("poll_crashed", provider=name)
        else:
            return told
        finally:
            self._not_before[name] = loop.time() + rest.total_seconds()
        return 0

    async def _ask_until_short(self, name: str, configured: ConfiguredProvider) -> int:
        ctx, provider, first = self._ctx, configured.provider, configured.config.poll
        assert isinstance(provider, Polls), "bootstrap lets no other have poll"
        assert first is not None
        schedule = PollSchedule(first, LONGEST, ctx.settings.patience.receipt)
        total = 0
        while True:
            take = partial(polling.take, provider=name, schedule=schedule, now=ctx.now(), limit=SLICE)
            due = await ctx.database.single(take)
            if due.refs:
                kept = await ingest.keep(ctx, name, _ends(await provider.poll(due.refs)))
                total += kept.count
            if due.looked_at < SLICE:
                return total


def _ends(reports: Sequence[ReceiptReport]) -> Sequence[ReceiptReport]:
    """Leave out what is still on its way: to have asked in vain is nothing to keep."""
    return [report for report in reports if report.status is not None]
