"""What became of messages and batches, for the producers that handed them in."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import NotFound
from dispatcher.domain.submission import Caller
from dispatcher.service.context import Context
from dispatcher.store import reports, tracking
from dispatcher.store.reports import Event
from dispatcher.store.tracking import BatchFilter, Tracked, TrackedBatch

__all__ = ["BatchFilter", "Event", "Page", "Story", "Tracked", "TrackedBatch", "batch", "batches", "message"]


@dataclass(frozen=True, slots=True)
class Story:
    """One message and all that happened to it, oldest first."""

    message: Tracked
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the batches that were wanted, and how many there are in all."""

    batches: Sequence[TrackedBatch]
    total: int


async def message(ctx: Context, caller: Caller, public_id: UUID) -> Story:
    """Tell all of one message, a withdrawn one too. Raises NotFound."""

    async def work(connection: AsyncConnection) -> Story | None:
        found = await tracking.message(
            connection, public_id, account_id=caller.account.id, dialect=caller.dialect
        )
        return None if found is None else Story(found, await reports.events(connection, found.id))

    story = await ctx.database.transact(work)
    if story is None:
        raise NotFound(f"there is no message {public_id}")
    return story


async def batch(ctx: Context, caller: Caller, name: str) -> TrackedBatch:
    """Tell all of one batch, by the id its producer gave it or by ours. Raises NotFound."""
    found = await ctx.database.transact(
        lambda c: tracking.batch(c, name, account_id=caller.account.id, dialect=caller.dialect)
    )
    if found is None:
        raise NotFound(f"there is no batch {name!r}")
    return found


async def batches(
    ctx: Context,
    caller: Caller,
    wanted: BatchFilter,
    *,
    skip: int = 0,
    limit: int = 20,
    newest_first: bool = True,
) -> Page:
    """List the caller's batches."""
    found, total = await ctx.database.transact(
        lambda c: tracking.batches(
            c,
            wanted,
            account_id=caller.account.id,
            dialect=caller.dialect,
            skip=skip,
            limit=limit,
            newest_first=newest_first,
        )
    )
    return Page(found, total)
