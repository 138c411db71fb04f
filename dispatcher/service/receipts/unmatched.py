"""Receipts that match no message, for operators: a wrong provider, or a truncated or unknown reference."""

from collections.abc import Sequence
from datetime import timedelta

from dispatcher.service.context import Context
from dispatcher.store.receipts import unmatched
from dispatcher.store.receipts.unmatched import Unmatched

__all__ = ["MOST", "RECENT", "Unmatched", "page", "recent"]

RECENT = timedelta(days=7)
MOST = 10_000


async def page(ctx: Context, *, waiting: bool, before: int | None, limit: int) -> Sequence[Unmatched]:
    """Return receipts that were given up, or those still `waiting` for their message; the newest first."""
    return await ctx.database.single(lambda c: unmatched.page(c, waiting=waiting, before=before, limit=limit))


async def recent(ctx: Context) -> int:
    """Count the receipts of the last seven days that were given up, up to 10,000."""
    since = ctx.now() - RECENT
    return await ctx.database.single(lambda c: unmatched.count(c, since=since, most=MOST))
