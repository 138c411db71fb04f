"""Receipts for operators: those that match no message, and odd ones."""

from collections.abc import Sequence
from datetime import timedelta

from dispatcher.service.context import Context
from dispatcher.store.receipts import listing
from dispatcher.store.receipts.listing import ListedReceipt

__all__ = ["MOST", "RECENT", "ListedReceipt", "recent_remarked", "recent_unmatched", "remarked", "unmatched"]

RECENT = timedelta(days=7)
MOST = 10_000


async def unmatched(
    ctx: Context, *, waiting: bool, before: int | None, limit: int
) -> Sequence[ListedReceipt]:
    """Return receipts that were given up, or with `waiting` those that are still tried; the newest first."""
    return await ctx.database.single(lambda c: listing.page(c, waiting=waiting, before=before, limit=limit))


async def remarked(ctx: Context, *, before: int | None, limit: int) -> Sequence[ListedReceipt]:
    """
    Return odd receipts, the newest first.

    Their references name two messages, or some of their octets could not be read.
    """
    return await ctx.database.single(lambda c: listing.page_of_remarked(c, before=before, limit=limit))


async def recent_unmatched(ctx: Context) -> int:
    """Return the number of receipts that were given up in the last seven days, at most 10,000."""
    since = ctx.now() - RECENT
    return await ctx.database.single(lambda c: listing.count(c, since=since, most=MOST))


async def recent_remarked(ctx: Context) -> int:
    """Return the number of odd receipts of the last seven days, at most 10,000."""
    since = ctx.now() - RECENT
    return await ctx.database.single(lambda c: listing.count_remarked(c, since=since, most=MOST))
