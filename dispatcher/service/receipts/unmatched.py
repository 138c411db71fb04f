"""Receipts that match no message, for operators: from the wrong provider, or with an unknown reference."""

from collections.abc import Sequence
from datetime import timedelta

from dispatcher.service.context import Context
from dispatcher.store.receipts import unmatched
from dispatcher.store.receipts.unmatched import Unmatched

__all__ = ["MOST", "RECENT", "Unmatched", "page", "recent"]

RECENT = timedelta(days=7)
MOST = 10_000


async def page(ctx: Context, *, waiting: bool, before: int | None, limit: int) -> Sequence[Unmatched]:
    """Return receipts that were given up, or with `waiting` those that are still tried; the newest first."""
    return await ctx.database.single(lambda c: unmatched.page(c, waiting=waiting, before=before, limit=limit))


async def recent(ctx: Context) -> int:
    """Return the number of receipts that were given up in the last seven days, at most 10,000."""
    since = ctx.now() - RECENT
    return await ctx.database.single(lambda c: unmatched.count(c, since=since, most=MOST))
