"""Polling of providers that do not send receipts by themselves."""

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
_FAILURE_PAUSE = timedelta(minutes=1)


class Poller:
    """
    Asks providers for the receipts that are due; one for each process that polls.

    A provider is asked by one poll at a time, for at most `time_limit`, and not
    for a minute after a poll that failed. A receipt that it could not give is
    asked for again when the reference is due next.
    """

    def __init__(self, ctx: Context, *, time_limit: timedelta = TIME_LIMIT) -> None:
        self._ctx = ctx
        self._seconds = time_limit.total_seconds()
        self._not_before: dict[str, float] = {}

    async def poll(self) -> int:
        """Ask each provider that is configured to be polled; return the number of receipts."""
        now = asyncio.get_running_loop().time()
        polls = [
            self._poll(name, configured)
            for name, configured in self._ctx.providers.items()
            if configured.config.poll is not None and self._not_before.get(name, now) <= now
        ]
        return sum(await asyncio.gather(*polls))

    async def _poll(self, name: str, configured: ConfiguredProvider) -> int:
        loop = asyncio.get_running_loop()
        self._not_before[name] = inf
        pause = _FAILURE_PAUSE
        try:
            async with asyncio.timeout(self._seconds):
                count = await self._ask_until_short(name, configured)
            pause = timedelta()
        except (TimeoutError, Unavailable) as error:
            log.warning("poll_failed", provider=name, error=str(error) or "the time limit was reached")
        except Exception as error:  # a bug of one plug-in must not stop the others
            log.exception("poll_crashed", provider=name)
            self._ctx.background.failures.note(f"poll of {name}", error)
        else:
            return count
        finally:
            self._not_before[name] = loop.time() + pause.total_seconds()
        return 0

    async def _ask_until_short(self, name: str, configured: ConfiguredProvider) -> int:
        ctx, provider, first = self._ctx, configured.provider, configured.config.poll
        assert isinstance(provider, Polls), "bootstrap refuses `poll` for other plug-ins"
        assert first is not None
        schedule = PollSchedule(first, LONGEST, ctx.settings.retry_policy.receipt)
        total = 0
        while True:
            take = partial(polling.take, provider=name, schedule=schedule, now=ctx.now(), limit=SLICE)
            due = await ctx.database.single(take)
            if due.refs:
                kept = await ingest.keep(ctx, name, _with_status(await provider.poll(due.refs)))
                total += kept.count
            if due.looked_at < SLICE:
                return total


def _with_status(reports: Sequence[ReceiptReport]) -> Sequence[ReceiptReport]:
    """Return the reports that have a status; those of messages that are still on their way are not stored."""
    return [report for report in reports if report.status is not None]
