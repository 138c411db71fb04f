"""
Finding messages and batches for operators, of all accounts and dialects, the newest first.

By number there is an index. Any other search walks the messages by id, and one
call looks at so many only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.status import Place, Status
from dispatcher.domain.tier import Tier
from dispatcher.store.lookup import BY_PUBLIC_ID, OF_BATCHES

NEWEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages are wanted; None asks nothing. Accepted from `since` up to but excluding `until`."""

    number: str | None = None
    account_id: int | None = None
    statuses: frozenset[Status] | None = None
    tier: Tier | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """One message as an operator sees it; `text` is None unless it was asked for."""

    id: int
    public_id: UUID
    batch_id: int
    batch_public_id: UUID
    account: str
    dialect: str
    client_id: str
    number: str
    number_as_given: str
    sender: str | None
    text: str | None
    tier: Tier
    status: Status
    place: Place | None
    reason: str
    provider: str | None
    attempt: int
    segments: int
    charged: int
    is_test: bool
    not_before: datetime
    not_after: datetime
    created_at: datetime
    moved_at: datetime


@dataclass(frozen=True, slots=True)
class FoundBatch:
    """One batch as an operator sees it. `template_id` is what callers name the template by."""

    id: int
    public_id: UUID
    account: str
    dialect: str
    tier: Tier
    sender: str | None
    template_id: str | None
    external_id: str | None
    client_id: str
    callback_url: str | None
    not_before: datetime
    not_after: datetime
    created_at: datetime


_MESSAGES = """
SELECT m.id, m.public_id, m.batch_id, b.public_id AS batch_public_id, a.name AS account, b.dialect,
       b.client_id, m.number, m.number_as_given, s.name AS sender,
       CASE WHEN :with_text THEN m.text END AS text, m.tier, m.status, m.place, m.reason, m.provider,
       m.attempt, m.segments, m.charged, m.is_test, m.not_before, m.not_after, m.created_at, m.moved_at
FROM picked m JOIN batches b ON b.id = m.batch_id JOIN accounts a ON a.id = m.account_id
LEFT JOIN senders s ON s.id = m.sender_id
"""

# The row a page ended with may be gone by now; then the next older one tells the time.
_OLDER = """
(created_at, {id}) < ((SELECT created_at FROM {table} WHERE id <= :before ORDER BY id DESC LIMIT 1), :before)
"""
_OLDER_MESSAGE = _OLDER.format(id="message_id", table="messages")
_OLDER_BATCH = _OLDER.format(id="id", table="batches")

_ONE = text(f"""
WITH picked AS (
    SELECT * FROM messages WHERE id = coalesce(CAST(:id AS bigint), {BY_PUBLIC_ID})
)
{_MESSAGES}
""")

# OFFSET 0: the number's messages are looked at in their order, however rare the planner believes them.
_OF_NUMBER = """
(SELECT * FROM message_lookup WHERE number = :number AND {older}
 ORDER BY created_at DESC, message_id DESC OFFSET 0) k
CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = k.message_id OFFSET 0) m
"""

_WALK = "SELECT * FROM messages WHERE id < :before ORDER BY id DESC LIMIT :walk"
_STOP = text("SELECT id, created_at FROM messages WHERE id < :before ORDER BY id DESC OFFSET :walk LIMIT 1")

_BATCH_COLUMNS = """
SELECT b.id, b.public_id, a.name AS account, b.dialect, b.tier, s.name AS sender,
       t.public_id AS template_id, b.external_id, b.client_id, b.callback_url, b.not_before, b.not_after,
       b.created_at
FROM picked b JOIN accounts a ON a.id = b.account_id
LEFT JOIN senders s ON s.id = b.sender_id LEFT JOIN templates t ON t.id = b.template_id
"""
_BATCHES = text(f"""
WITH picked AS MATERIALIZED (
    SELECT * FROM batches WHERE account_id = :account_id AND {_OLDER_BATCH}
    ORDER BY created_at DESC, id DESC LIMIT :limit
)
{_BATCH_COLUMNS} ORDER BY b.created_at DESC, b.id DESC
""")
_NEWEST_BATCHES = text(f"""
WITH picked AS MATERIALIZED (
    SELECT * FROM batches WHERE account_id = :account_id ORDER BY created_at DESC, id DESC LIMIT :limit
)
{_BATCH_COLUMNS} ORDER BY b.created_at DESC, b.id DESC
""")
_BATCH = text(f"""
WITH picked AS (
    SELECT * FROM batches WHERE id = CAST(:id AS bigint) OR public_id = CAST(:public_id AS uuid)
)
{_BATCH_COLUMNS}
""")
_COUNTS = text(
    f"SELECT status, count(*) AS n FROM messages WHERE id = ANY({OF_BATCHES}) GROUP BY status ORDER BY status"
)


async def messages(
    connection: AsyncConnection,
    wanted: MessageFilter,
    *,
    before: int | None,
    limit: int,
    walk: int,
    with_text: bool,
) -> list[FoundMessage]:
    """Read messages older than the one with the id `before`; without a number, of the next `walk` only."""
    statement, values = statement_for(wanted, before=before, walk=walk)
    values |= {"limit": limit, "with_text": with_text}
    return [_message(row) for row in await connection.execute(text(statement), values)]


def statement_for(wanted: MessageFilter, *, before: int | None, walk: int) -> tuple[str, dict[str, object]]:
    """Write the statement that finds messages, and its parameters but `limit` and `with_text`."""
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
{_MESSAGES} ORDER BY {outer}
"""
    return statement, values


async def walked_to(
    connection: AsyncConnection, *, before: int | None, walk: int
) -> tuple[int, datetime] | None:
    """Tell the last message a walk from `before` looked at, and when it came; None if it saw all."""
    values = {"before": NEWEST if before is None else before, "walk": walk - 1}
    row = (await connection.execute(_STOP, values)).one_or_none()
    return None if row is None else (row.id, row.created_at)


async def message(
    connection: AsyncConnection, name: int | UUID, *, with_text: bool = False
) -> FoundMessage | None:
    """Read one message, by its number or its public id."""
    row = (await connection.execute(_ONE, {**either(name), "with_text": with_text})).one_or_none()
    return None if row is None else _message(row)


async def batches(
    connection: AsyncConnection, account_id: int, *, before: int | None, limit: int
) -> list[FoundBatch]:
    """Read an account's batches, older than the one with the id `before`."""
    values = {"account_id": account_id, "limit": limit}
    if before is None:
        rows = await connection.execute(_NEWEST_BATCHES, values)
    else:
        rows = await connection.execute(_BATCHES, {**values, "before": before})
    return [_batch(row) for row in rows]


async def batch(connection: AsyncConnection, name: int | UUID) -> FoundBatch | None:
    """Read one batch, by its number or its public id."""
    row = (await connection.execute(_BATCH, either(name))).one_or_none()
    return None if row is None else _batch(row)


async def counts(connection: AsyncConnection, batch_id: int) -> Mapping[Status, int]:
    """Count the messages of a batch by their status."""
    return {Status(row.status): row.n for row in await connection.execute(_COUNTS, {"ids": [batch_id]})}


def either(name: int | UUID) -> dict[str, object]:
    """Give the parameters `id` and `public_id`, one of them null."""
    return {"id": name, "public_id": None} if isinstance(name, int) else {"id": None, "public_id": name}


def _conditions(wanted: MessageFilter) -> tuple[list[str], dict[str, object]]:
    statuses = None if wanted.statuses is None else sorted(map(int, wanted.statuses))
    asked: dict[str, tuple[str, object]] = {
        "account_id": ("m.account_id = :account_id", wanted.account_id),
        "statuses": ("m.status = ANY(:statuses)", statuses),
        "tier": ("m.tier = :tier", wanted.tier and wanted.tier.value),
        "since": ("m.created_at >= :since", wanted.since),
        "until": ("m.created_at < :until", wanted.until),
    }
    given = {name: both for name, both in asked.items() if both[1] is not None}
    return [condition for condition, _ in given.values()], {name: value for name, (_, value) in given.items()}


def _message(row: Row[Any]) -> FoundMessage:
    values = dict(row._mapping)
    place = Place(row.place) if row.place else None
    return FoundMessage(**{**values, "tier": Tier(row.tier), "status": Status(row.status), "place": place})


def _batch(row: Row[Any]) -> FoundBatch:
    return FoundBatch(**{**row._mapping, "tier": Tier(row.tier)})
