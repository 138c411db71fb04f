"""Reading messages and batches: a message's history, a batch with its messages, paged searches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.errors import Invalid, NotFound
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.waits import Wait
from dispatcher.domain.numbers.msisdn import InvalidNumber, NumberPolicy, parse
from dispatcher.service.context import Context
from dispatcher.store.messages import search, views
from dispatcher.store.messages.search import BatchFilter, MessageFilter, TrackedBatch
from dispatcher.store.messages.views import BatchView, Event, MessageStatus, MessageView, PlaceCount

__all__ = [
    "WALK",
    "BatchFilter",
    "BatchView",
    "CountedBatch",
    "CountedPage",
    "Event",
    "History",
    "MessageFilter",
    "MessageStatus",
    "MessageView",
    "PlaceCount",
    "Slice",
    "TrackedBatch",
    "batch",
    "batches",
    "counted_batch",
    "history",
    "message",
    "messages",
    "on_the_way",
    "own_batch",
    "own_batches",
    "own_counted_batch",
    "read_search_number",
    "require_batch",
    "statuses",
    "tracked_batch",
]

T = TypeVar("T")

WALK = 20_000
"""How many messages one call scans: some 50 ms when they are in memory."""

_PAGE = 5000


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """
    A part of the items, and the id to continue before; None at the end.

    A scan that stopped at its limit may return fewer items than requested,
    even none, with an id to continue before.
    """

    items: Sequence[T]
    next: int | None


@dataclass(frozen=True, slots=True)
class CountedPage(Generic[T]):
    """A part of the items, and how many there are in total."""

    items: Sequence[T]
    total: int


@dataclass(frozen=True, slots=True)
class History:
    """One message, its events and its waits that are over, the oldest first."""

    message: MessageView
    events: Sequence[Event]
    waits: Sequence[Wait] = ()


@dataclass(frozen=True, slots=True)
class CountedBatch:
    """A batch, and how many of its messages are in each status."""

    batch: BatchView
    counts: Mapping[Status, int]


async def message(
    ctx: Context,
    name: int | UUID,
    *,
    caller: Caller | None = None,
    with_text: bool = False,
    with_withdrawn: bool = True,
) -> MessageView:
    """Return one message, by its number or its public id; with a caller, only its own. Raises NotFound."""
    found = await ctx.database.transact(lambda c: views.message(c, name, caller=caller, with_text=with_text))
    if found is None or (found.status is Status.WITHDRAWN and not with_withdrawn):
        raise NotFound(f"there is no message {name}")
    return found


async def history(
    ctx: Context, name: int | UUID, *, caller: Caller | None = None, with_text: bool = False
) -> History:
    """Return one message with its events; with a caller, only its own. Raises NotFound."""

    async def work(connection: AsyncConnection) -> History | None:
        found = await views.message(connection, name, caller=caller, with_text=with_text)
        if found is None:
            return None
        return History(
            found, await views.events(connection, found.id), await views.waits(connection, found.id)
        )

    found = await ctx.database.transact(work)
    if found is None:
        raise NotFound(f"there is no message {name}")
    return found


async def messages(
    ctx: Context,
    wanted: MessageFilter,
    *,
    before: int | None = None,
    limit: int = 50,
    walk: int = WALK,
    with_text: bool = False,
) -> Slice[MessageView]:
    """Return messages, the newest first; without a phone number it scans at most `walk` of them."""

    async def work(connection: AsyncConnection) -> Slice[MessageView]:
        found = await search.find_messages(
            connection, wanted, before=before, limit=limit + 1, walk=walk, with_text=with_text
        )
        if len(found) > limit:
            return Slice(found[:limit], found[limit - 1].id)
        return Slice(found, None if wanted.number else await _rest(connection, wanted, before, walk))

    return await ctx.database.transact(work)


async def batch(ctx: Context, name: int | UUID) -> BatchView:
    """Return one batch, by its number or its public id. Raises NotFound."""
    found = await ctx.database.transact(lambda c: views.batch(c, name))
    if found is None:
        raise NotFound(f"there is no batch {name}")
    return found


async def counted_batch(ctx: Context, name: int | UUID) -> CountedBatch:
    """Return one batch with the counts of its messages. Raises NotFound."""
    found = await batch(ctx, name)
    return CountedBatch(found, await ctx.database.transact(lambda c: views.counts(c, found.id)))


async def own_batch(ctx: Context, caller: Caller, name: int | UUID | str) -> BatchView:
    """Return one of the caller's batches, by its id, its public id or its external id. Raises NotFound."""

    async def work(connection: AsyncConnection) -> BatchView | None:
        if not isinstance(name, int):
            return await views.own_batch(connection, caller, str(name))
        return (
            await views.batch(connection, name) if await views.owns_batch(connection, caller, name) else None
        )

    found = await ctx.database.transact(work)
    if found is None:
        raise NotFound(
            f"there is no batch {name!r}" if isinstance(name, str) else f"there is no batch {name}"
        )
    return found


async def own_counted_batch(ctx: Context, caller: Caller, name: int | UUID | str) -> CountedBatch:
    """Return one of the caller's batches with the counts of its messages. Raises NotFound."""
    found = await own_batch(ctx, caller, name)
    return CountedBatch(found, await ctx.database.single(lambda c: views.counts(c, found.id)))


async def batches(
    ctx: Context, account: Account, *, before: int | None = None, limit: int = 50
) -> list[BatchView]:
    """Return an account's batches, of all dialects, the newest first."""
    return await ctx.database.transact(
        lambda c: search.find_batches(c, account.id, before=before, limit=limit)
    )


async def require_batch(ctx: Context, caller: Caller, batch_id: int) -> None:
    """Raise NotFound unless the caller's account made this batch through its dialect."""
    if not await ctx.database.transact(lambda c: views.owns_batch(c, caller, batch_id)):
        raise NotFound(f"there is no batch {batch_id}")


async def statuses(ctx: Context, caller: Caller, batch_id: int) -> list[MessageStatus]:
    """Return the status of each message of the caller's batch, in order. Raises NotFound."""
    await require_batch(ctx, caller, batch_id)
    found: list[MessageStatus] = []
    while True:
        after = found[-1].id if found else 0
        page = await ctx.database.transact(
            partial(views.statuses, batch_id=batch_id, after=after, limit=_PAGE)
        )
        found += page
        if len(page) < _PAGE:
            return found


async def tracked_batch(ctx: Context, caller: Caller, name: str) -> TrackedBatch:
    """
    Return one of the caller's batches with its messages and their texts.

    `name` is the producer's own id of the batch, or its public id. Raises
    NotFound.
    """

    async def work(connection: AsyncConnection) -> Sequence[TrackedBatch]:
        found = await views.own_batch(connection, caller, name)
        return await search.with_messages(connection, [] if found is None else [found], with_text=True)

    for tracked in await ctx.database.transact(work):
        return tracked
    raise NotFound(f"there is no batch {name!r}")


async def own_batches(
    ctx: Context,
    caller: Caller,
    wanted: BatchFilter,
    *,
    skip: int,
    limit: int,
    newest_first: bool,
    with_text: bool,
) -> CountedPage[TrackedBatch]:
    """Return a page of the caller's batches with their messages."""

    async def work(connection: AsyncConnection) -> CountedPage[TrackedBatch]:
        found, total = await search.find_own_batches(
            connection, caller, wanted, skip=skip, limit=limit, newest_first=newest_first
        )
        return CountedPage(await search.with_messages(connection, found, with_text=with_text), total)

    return await ctx.database.transact(work)


async def on_the_way(ctx: Context) -> list[PlaceCount]:
    """Return the counts of messages on their way, by tier and place."""
    return await ctx.database.transact(views.places)


def read_search_number(raw: str, account: Account | None) -> str:
    """
    Return a phone number in E.164; it may be national to the account's country. Raises Invalid.

    A short code is returned as it is. So are digits that are no number in the country of the account,
    to which a client sent that skipped the checks. A blank before the number was a "+" in a URL.
    """
    country = None if account is None else account.default_country
    policy = NumberPolicy(
        default_country=country,
        national=country is not None,
        require_valid=country is not None,  # a national number that is not valid was sent as written
        lenient=True,
        short_codes=True,
        unchecked=country is not None,
        blank_is_plus=True,
    )
    try:
        return parse(raw, policy).e164
    except InvalidNumber as error:
        raise Invalid(str(error)) from None


async def _rest(
    connection: AsyncConnection, wanted: MessageFilter, before: int | None, walk: int
) -> int | None:
    """Return the id at which a scan stopped; None if no older message can match."""
    stop = await search.walk_end(connection, before=before, walk=walk)
    if stop is None:
        return None
    last, at = stop
    return None if wanted.since is not None and at < wanted.since else last
