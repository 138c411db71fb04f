"""
Finding messages and batches by conditions, page by page.

A search by number has an index. Any other search of messages walks them by id,
and one call looks at a limited number of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.store.message_lookup import LOOKED_UP, OF_BATCHES
from dispatcher.store.messages.views import (
    OWN,
    BatchView,
    MessageView,
    batch_view,
    message_view,
    owner_parameters,
    read_batch,
    read_message,
)

NEWEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """
    Conditions on messages; None sets no condition.

    `number` is in E.164. A message was accepted from `since` up to but
    excluding `until`.
    """

    number: str | None = None
    account_id: int | None = None
    statuses: frozenset[Status] | None = None
    tier: Tier | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class BatchFilter:
    """
    Conditions on batches.

    A batch has at least one message in each set of `some`, and no message in
    `none`. It was accepted from `since` up to but excluding `until`.
    """

    since: datetime | None = None
    until: datetime | None = None
    some: Sequence[frozenset[Status]] = ()
    none: frozenset[Status] = frozenset()


@dataclass(frozen=True, slots=True)
class TrackedBatch:
    """A batch with its messages. `first` is when a message of it first had each status."""

    batch: BatchView
    messages: Sequence[MessageView]
    first: Mapping[Status, datetime]


# If the last row of the previous page is gone, the next older one gives the time.
_OLDER = """
(created_at, {id}) < ((SELECT created_at FROM {table} WHERE id <= :before ORDER BY id DESC LIMIT 1), :before)
"""
_OLDER_MESSAGE = _OLDER.format(id="message_id", table="messages")
_OLDER_BATCH = _OLDER.format(id="id", table="batches")

# OFFSET 0: the messages of a number are read in order, however few of them the planner expects.
_OF_NUMBER = """
(SELECT * FROM message_lookup WHERE number = :number AND {older}
 ORDER BY created_at DESC, message_id DESC OFFSET 0) k
CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = k.message_id OFFSET 0) m
"""

_WALK = "SELECT * FROM messages WHERE id < :before ORDER BY id DESC LIMIT :walk"
_STOP = text("SELECT id, created_at FROM messages WHERE id < :before ORDER BY id DESC OFFSET :walk LIMIT 1")

_MESSAGES_OF = text(f"{message_view('messages')} WHERE m.id = ANY({OF_BATCHES}) ORDER BY m.id")
_FIRST_OF = text(f"""
SELECT m.batch_id, e.status, min(e.at) AS at
FROM messages m JOIN message_events e ON e.message_id = m.id
WHERE m.id = ANY({OF_BATCHES}) GROUP BY m.batch_id, e.status ORDER BY at
""")


async def find_messages(
    connection: AsyncConnection,
    wanted: MessageFilter,
    *,
    before: int | None,
    limit: int,
    walk: int,
    with_text: bool,
) -> list[MessageView]:
    """Return messages older than the id `before`, newest first; without a number, of the next `walk`."""
    statement, values = statement_for(wanted, before=before, walk=walk)
    values |= {"limit": limit, "with_text": with_text}
    return [read_message(row) for row in await connection.execute(text(statement), values)]


def statement_for(wanted: MessageFilter, *, before: int | None, walk: int) -> tuple[str, dict[str, object]]:
    """Return the statement that finds messages, and its parameters except `limit` and `with_text`."""
    conditions, values = _conditions(wanted)
    values["before"] = NEWEST if before is None else before
    if wanted.number is None:
        source, order = f"({_WALK}) AS m", "m.id DESC"
        values["walk"] = walk
    else:
        source = _OF_NUMBER.format(older="true" if before is None else _OLDER_MESSAGE)
        order = "k.created_at DESC, k.message_id DESC"
        values["number"] = wanted.number
    where = " AND ".join(conditions) or "true"
    outer = "m.id DESC" if wanted.number is None else "m.created_at DESC, m.id DESC"
    statement = f"""
WITH picked AS MATERIALIZED (SELECT m.* FROM {source} WHERE {where} ORDER BY {order} LIMIT :limit)
{message_view("picked")} ORDER BY {outer}
"""
    return statement, values


async def walk_end(
    connection: AsyncConnection, *, before: int | None, walk: int
) -> tuple[int, datetime] | None:
    """Return the last message in a walk from `before` and its time; None if the walk reached the end."""
    values = {"before": NEWEST if before is None else before, "walk": walk - 1}
    row = (await connection.execute(_STOP, values)).one_or_none()
    return None if row is None else (row.id, row.created_at)


async def find_batches(
    connection: AsyncConnection, account_id: int, *, before: int | None, limit: int
) -> list[BatchView]:
    """Return an account's batches older than the one with the id `before`, the newest first."""
    where = "account_id = :account_id" + ("" if before is None else f" AND {_OLDER_BATCH}")
    values = {"account_id": account_id, "limit": limit} | ({} if before is None else {"before": before})
    return [read_batch(row) for row in await connection.execute(text(_page(where)), values)]


async def find_own_batches(
    connection: AsyncConnection,
    caller: Caller,
    wanted: BatchFilter,
    *,
    skip: int,
    limit: int,
    newest_first: bool,
) -> tuple[list[BatchView], int]:
    """Return a page of the caller's batches that meet the conditions, and the number of all that do."""
    where, values = _where(wanted)
    values |= owner_parameters(caller)
    count = await connection.scalar(text(f"SELECT count(*) FROM batches b WHERE {where}"), values)
    page = text(_page(where, order="DESC" if newest_first else "ASC", skip="OFFSET :skip"))
    rows = await connection.execute(page, {**values, "limit": limit, "skip": skip})
    return [read_batch(row) for row in rows], int(count or 0)


async def with_messages(
    connection: AsyncConnection, found: Sequence[BatchView], *, with_text: bool
) -> list[TrackedBatch]:
    """Return these batches with all their messages, in two statements."""
    ids: list[int] = [batch.id for batch in found]
    messages: dict[int, list[MessageView]] = {batch_id: [] for batch_id in ids}
    first: dict[int, dict[Status, datetime]] = {batch_id: {} for batch_id in ids}
    if found:
        for row in await connection.execute(_MESSAGES_OF, {"ids": ids, "with_text": with_text}):
            messages[row.batch_id].append(read_message(row))
        for row in await connection.execute(_FIRST_OF, {"ids": ids}):
            first[row.batch_id][Status(row.status)] = row.at
    return [TrackedBatch(batch, messages[batch.id], first[batch.id]) for batch in found]


def _page(where: str, *, order: str = "DESC", skip: str = "") -> str:
    sort = f"ORDER BY b.created_at {order}, b.id {order}"
    picked = f"SELECT * FROM batches b WHERE {where} {sort} LIMIT :limit {skip}"
    return f"WITH picked AS MATERIALIZED ({picked}) {batch_view('picked')} {sort}"


def _conditions(wanted: MessageFilter) -> tuple[list[str], dict[str, object]]:
    statuses = None if wanted.statuses is None else sorted(map(int, wanted.statuses))
    conditions: dict[str, tuple[str, object]] = {
        "account_id": ("m.account_id = :account_id", wanted.account_id),
        "statuses": ("m.status = ANY(:statuses)", statuses),
        "tier": ("m.tier = :tier", wanted.tier and wanted.tier.value),
        "since": ("m.created_at >= :since", wanted.since),
        "until": ("m.created_at < :until", wanted.until),
    }
    used = {name: both for name, both in conditions.items() if both[1] is not None}
    return [condition for condition, _ in used.values()], {name: value for name, (_, value) in used.items()}


def _where(wanted: BatchFilter) -> tuple[str, dict[str, object]]:
    conditions, values = [OWN], dict[str, object]()
    if wanted.since is not None:
        conditions.append("b.created_at >= :since")
        values["since"] = wanted.since
    if wanted.until is not None:
        conditions.append("b.created_at < :until")
        values["until"] = wanted.until
    checks = [("EXISTS", statuses) for statuses in wanted.some]
    checks += [("NOT EXISTS", wanted.none)] if wanted.none else []
    for position, (exists, statuses) in enumerate(checks):
        conditions.append(
            f"{exists} (SELECT 1 FROM {LOOKED_UP}"
            f" WHERE k.batch_id = b.id AND m.status = ANY(:check{position}))"
        )
        values[f"check{position}"] = sorted(statuses)
    return " AND ".join(conditions), values
