"""Messages and batches as their producers see them, text and all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.store.lookup import BY_PUBLIC_ID, LOOKED_UP, OF_BATCHES


@dataclass(frozen=True, slots=True)
class Tracked:
    """One message. `number` is in E.164, `number_as_given` as its producer wrote it."""

    id: int
    public_id: UUID
    number: str
    number_as_given: str
    sender: str | None
    text: str
    client_id: str
    status: Status
    reason: str
    not_before: datetime
    not_after: datetime
    created_at: datetime
    moved_at: datetime


@dataclass(frozen=True, slots=True)
class TrackedBatch:
    """One batch with its messages. `first` tells when a message of it first had each status."""

    id: int
    public_id: UUID
    external_id: str | None
    tier: Tier
    created_at: datetime
    not_before: datetime
    not_after: datetime
    messages: Sequence[Tracked]
    first: Mapping[Status, datetime]


@dataclass(frozen=True, slots=True)
class BatchFilter:
    """
    Which batches are wanted.

    A batch has at least one message in each set of `some`, and no message in
    `none`. It was accepted from `since` up to but excluding `until`.
    """

    since: datetime | None = None
    until: datetime | None = None
    some: Sequence[frozenset[Status]] = ()
    none: frozenset[Status] = frozenset()


_MESSAGE_COLUMNS = """
m.id, m.public_id, m.number, m.number_as_given, s.name AS sender, m.text, b.client_id, m.status, m.reason,
m.not_before, m.not_after, m.created_at, m.moved_at
"""
_FROM = "FROM messages m JOIN batches b ON b.id = m.batch_id LEFT JOIN senders s ON s.id = m.sender_id"
_BATCH_COLUMNS = (
    "b.id, b.public_id, b.external_id, b.tier, b.created_at, b.not_before, b.not_after, b.client_id"
)
_OWN = "b.account_id = :account_id AND b.dialect = :dialect"

_MESSAGE = text(f"SELECT {_MESSAGE_COLUMNS} {_FROM} WHERE m.id = {BY_PUBLIC_ID} AND {_OWN}")
_BATCH = text(f"""
SELECT {_BATCH_COLUMNS} FROM batches b
WHERE {_OWN} AND (b.external_id = :name OR b.public_id = CAST(:public_id AS uuid))
ORDER BY b.external_id IS NULL LIMIT 1
""")
_MESSAGES_OF = text(f"""
SELECT m.batch_id, {_MESSAGE_COLUMNS} {_FROM} WHERE m.id = ANY({OF_BATCHES}) ORDER BY m.id
""")
_FIRST_OF = text(f"""
SELECT m.batch_id, e.status, min(e.at) AS at
FROM messages m JOIN message_events e ON e.message_id = m.id
WHERE m.id = ANY({OF_BATCHES}) GROUP BY m.batch_id, e.status ORDER BY at
""")


async def message(
    connection: AsyncConnection, public_id: UUID, *, account_id: int, dialect: str
) -> Tracked | None:
    """Read one message of this account and dialect."""
    values = {"public_id": public_id, "account_id": account_id, "dialect": dialect}
    row = (await connection.execute(_MESSAGE, values)).one_or_none()
    return None if row is None else _tracked(row)


async def batch(
    connection: AsyncConnection, name: str, *, account_id: int, dialect: str
) -> TrackedBatch | None:
    """Read one batch of this account and dialect, by its external id or its public one."""
    values = {"name": name, "public_id": _uuid(name), "account_id": account_id, "dialect": dialect}
    rows = (await connection.execute(_BATCH, values)).all()
    found = await _with_messages(connection, rows)
    return found[0] if found else None


async def batches(
    connection: AsyncConnection,
    wanted: BatchFilter,
    *,
    account_id: int,
    dialect: str,
    skip: int,
    limit: int,
    newest_first: bool,
) -> tuple[list[TrackedBatch], int]:
    """Read a page of batches, and count all that are wanted."""
    where, values = _where(wanted)
    values |= {"account_id": account_id, "dialect": dialect}
    count = await connection.scalar(text(f"SELECT count(*) FROM batches b WHERE {where}"), values)
    order = "DESC" if newest_first else "ASC"
    page = text(
        f"SELECT {_BATCH_COLUMNS} FROM batches b WHERE {where}"
        f" ORDER BY b.created_at {order}, b.id {order} LIMIT :limit OFFSET :skip"
    )
    rows = (await connection.execute(page, {**values, "limit": limit, "skip": skip})).all()
    return await _with_messages(connection, rows), int(count or 0)


def _where(wanted: BatchFilter) -> tuple[str, dict[str, object]]:
    conditions, values = [_OWN], dict[str, object]()
    if wanted.since is not None:
        conditions.append("b.created_at >= :since")
        values["since"] = wanted.since
    if wanted.until is not None:
        conditions.append("b.created_at < :until")
        values["until"] = wanted.until
    looks = [("EXISTS", statuses) for statuses in wanted.some]
    looks += [("NOT EXISTS", wanted.none)] if wanted.none else []
    for position, (exists, statuses) in enumerate(looks):
        conditions.append(
            f"{exists} (SELECT 1 FROM {LOOKED_UP}"
            f" WHERE k.batch_id = b.id AND m.status = ANY(:look{position}))"
        )
        values[f"look{position}"] = sorted(statuses)
    return " AND ".join(conditions), values


async def _with_messages(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[TrackedBatch]:
    ids = {"ids": [row.id for row in rows]}
    messages: dict[int, list[Tracked]] = {row.id: [] for row in rows}
    first: dict[int, dict[Status, datetime]] = {row.id: {} for row in rows}
    if rows:
        for row in await connection.execute(_MESSAGES_OF, ids):
            messages[row.batch_id].append(_tracked(row))
        for row in await connection.execute(_FIRST_OF, ids):
            first[row.batch_id][Status(row.status)] = row.at
    return [
        TrackedBatch(
            id=row.id,
            public_id=row.public_id,
            external_id=row.external_id,
            tier=Tier(row.tier),
            created_at=row.created_at,
            not_before=row.not_before,
            not_after=row.not_after,
            messages=messages[row.id],
            first=first[row.id],
        )
        for row in rows
    ]


def _tracked(row: Row[Any]) -> Tracked:
    return Tracked(
        id=row.id,
        public_id=row.public_id,
        number=row.number,
        number_as_given=row.number_as_given,
        sender=row.sender,
        text=row.text,
        client_id=row.client_id,
        status=Status(row.status),
        reason=row.reason,
        not_before=row.not_before,
        not_after=row.not_after,
        created_at=row.created_at,
        moved_at=row.moved_at,
    )


def _uuid(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None
