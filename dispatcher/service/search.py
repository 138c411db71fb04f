"""Finding messages and batches over all accounts and dialects: for operators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import Invalid, NotFound
from dispatcher.domain.msisdn import InvalidNumber, NumberPolicy, parse
from dispatcher.domain.status import Status
from dispatcher.domain.submission import Account
from dispatcher.domain.tier import Tier
from dispatcher.service.context import Context
from dispatcher.store import search
from dispatcher.store.search import FoundBatch, FoundMessage, MessageFilter

__all__ = [
    "WALK",
    "CountedBatch",
    "FoundBatch",
    "FoundMessage",
    "Slice",
    "Wanted",
    "batch",
    "batches",
    "message",
    "messages",
    "read_number",
]


WALK = 20_000
"""How many messages one call looks at: some 50 ms when they are in memory."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    Which messages are wanted; None asks nothing.

    `number` may be national where the account has a country. They were
    accepted from `since` up to but excluding `until`.
    """

    number: str | None = None
    account: Account | None = None
    statuses: frozenset[Status] | None = None
    tier: Tier | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """
    Some of what was wanted, and the id to go on before; None means that this is the end.

    A walk that was stopped gives less than was asked for, even nothing, and
    an id to go on before.
    """

    messages: Sequence[FoundMessage]
    next: int | None


@dataclass(frozen=True, slots=True)
class CountedBatch:
    """A batch, and how many of its messages have which status."""

    batch: FoundBatch
    counts: Mapping[Status, int]


async def messages(
    ctx: Context,
    wanted: Wanted,
    *,
    before: int | None = None,
    limit: int = 50,
    walk: int = WALK,
    with_text: bool = False,
) -> Slice:
    """
    Find messages, the newest first, looking at no more than `walk` unless a number is wanted.

    Raises Invalid for what is no phone number.
    """
    sought = _filter(wanted)

    async def work(connection: AsyncConnection) -> Slice:
        found = await search.messages(
            connection, sought, before=before, limit=limit + 1, walk=walk, with_text=with_text
        )
        if len(found) > limit:
            return Slice(found[:limit], found[limit - 1].id)
        return Slice(found, None if sought.number else await _rest(connection, sought, before, walk))

    return await ctx.database.transact(work)


async def message(ctx: Context, name: int | UUID, *, with_text: bool = False) -> FoundMessage:
    """Find one message, by its number or its public id. Raises NotFound."""
    found = await ctx.database.transact(lambda c: search.message(c, name, with_text=with_text))
    if found is None:
        raise NotFound(f"there is no message {name}")
    return found


async def batches(
    ctx: Context, account: Account, *, before: int | None = None, limit: int = 50
) -> list[FoundBatch]:
    """List an account's batches, of all dialects, the newest first."""
    return await ctx.database.transact(lambda c: search.batches(c, account.id, before=before, limit=limit))


async def batch(ctx: Context, name: int | UUID) -> CountedBatch:
    """Find one batch, by its number or its public id, and count its messages. Raises NotFound."""

    async def work(connection: AsyncConnection) -> CountedBatch | None:
        found = await search.batch(connection, name)
        return None if found is None else CountedBatch(found, await search.counts(connection, found.id))

    counted = await ctx.database.transact(work)
    if counted is None:
        raise NotFound(f"there is no batch {name}")
    return counted


def read_number(raw: str, account: Account | None) -> str:
    """Read a number to look for, a national one in the account's country. Raises Invalid."""
    country = None if account is None else account.default_country
    policy = NumberPolicy(
        default_country=country, national=country is not None, require_valid=False, lenient=True
    )
    try:
        return parse(raw, policy).e164
    except InvalidNumber as error:
        raise Invalid(str(error)) from None


async def _rest(
    connection: AsyncConnection, sought: MessageFilter, before: int | None, walk: int
) -> int | None:
    """Tell where a walk that found too little stopped; None if nothing wanted can be further down."""
    stop = await search.walked_to(connection, before=before, walk=walk)
    if stop is None:
        return None
    last, at = stop
    return None if sought.since is not None and at < sought.since else last


def _filter(wanted: Wanted) -> MessageFilter:
    return MessageFilter(
        number=None if wanted.number is None else read_number(wanted.number, wanted.account),
        account_id=None if wanted.account is None else wanted.account.id,
        statuses=wanted.statuses,
        tier=wanted.tier,
        since=wanted.since,
        until=wanted.until,
    )
