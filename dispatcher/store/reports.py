"""Reading what became of messages."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.status import Place, Status
from dispatcher.domain.tier import Tier
from dispatcher.store.lookup import BY_PUBLIC_ID, LOOKED_UP


@dataclass(frozen=True, slots=True)
class Line:
    """One message as a report shows it."""

    id: int
    number_as_given: str
    status: Status


@dataclass(frozen=True, slots=True)
class Detail:
    """One message whole, as an operator sees it. The text is left out on purpose."""

    id: int
    public_id: UUID
    account: str
    dialect: str
    number: str
    tier: Tier
    status: Status
    place: Place | None
    wake_at: datetime | None
    not_before: datetime
    not_after: datetime
    segments: int
    charged: int
    attempt: int
    deferrals: int
    doubts: int
    provider: str | None
    reason: str
    paused: bool = False
    closes_at: datetime | None = None
    country: str = ""
    sender: str | None = None
    is_test: bool = False
    waits_for: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a message's history."""

    seq: int
    at: datetime
    status: Status
    provider: str | None
    attempt: int
    reason: str


_OWN = "m.account_id = :account_id AND b.dialect = :dialect"

_ONE = text(f"""
SELECT m.id, m.number_as_given, m.status FROM messages m JOIN batches b ON b.id = m.batch_id
WHERE m.id = :id AND {_OWN}
""")

_BATCH = text("SELECT id FROM batches b WHERE id = :id AND account_id = :account_id AND dialect = :dialect")

_LINES = text(
    f"SELECT m.id, m.number_as_given, m.status FROM {LOOKED_UP}"
    " WHERE k.batch_id = :id AND k.message_id > :after ORDER BY k.message_id LIMIT :limit"
)

_DETAIL = text(f"""
SELECT m.*, a.name AS account, b.dialect, b.paused, s.name AS sender FROM messages m
JOIN batches b ON b.id = m.batch_id JOIN accounts a ON a.id = m.account_id
LEFT JOIN senders s ON s.id = m.sender_id
WHERE m.id = coalesce(CAST(:id AS bigint), {BY_PUBLIC_ID})
""")

_EVENTS = text("""
SELECT seq, at, status, provider, attempt, reason FROM message_events WHERE message_id = :id ORDER BY seq
""")

_PLACES = text("""
SELECT tier, place, count(*) AS n, min(moved_at) AS oldest, min(wake_at) AS next FROM messages
WHERE place IN ('held', 'ready', 'lane', 'worker') GROUP BY tier, place
""")


async def line(connection: AsyncConnection, message_id: int, *, account_id: int, dialect: str) -> Line | None:
    """Read one message of this account and dialect."""
    parameters = {"id": message_id, "account_id": account_id, "dialect": dialect}
    row = (await connection.execute(_ONE, parameters)).one_or_none()
    return None if row is None else Line(row.id, row.number_as_given, Status(row.status))


async def batch_exists(connection: AsyncConnection, batch_id: int, *, account_id: int, dialect: str) -> bool:
    """Tell whether this account made this batch through this dialect."""
    parameters = {"id": batch_id, "account_id": account_id, "dialect": dialect}
    return await connection.scalar(_BATCH, parameters) is not None


async def lines(connection: AsyncConnection, batch_id: int, *, after: int, limit: int) -> list[Line]:
    """Read the messages of a batch, a page after the message with the id `after`."""
    rows = await connection.execute(_LINES, {"id": batch_id, "after": after, "limit": limit})
    return [Line(row.id, row.number_as_given, Status(row.status)) for row in rows]


async def detail(
    connection: AsyncConnection, *, message_id: int | None = None, public_id: UUID | None = None
) -> Detail | None:
    """Read one message whole, by either id."""
    found = await connection.execute(_DETAIL, {"id": message_id, "public_id": public_id})
    row = found.one_or_none()
    if row is None:
        return None
    return Detail(
        id=row.id,
        public_id=row.public_id,
        account=row.account,
        dialect=row.dialect,
        number=row.number,
        tier=Tier(row.tier),
        status=Status(row.status),
        place=Place(row.place) if row.place else None,
        wake_at=row.wake_at,
        not_before=row.not_before,
        not_after=row.not_after,
        segments=row.segments,
        charged=row.charged,
        attempt=row.attempt,
        deferrals=row.deferrals,
        doubts=row.doubts,
        provider=row.provider,
        reason=row.reason,
        paused=row.paused,
        closes_at=row.closes_at,
        country=row.country,
        sender=row.sender,
        is_test=row.is_test,
        waits_for=row.waits_for,
    )


async def events(connection: AsyncConnection, message_id: int) -> list[Event]:
    """Read a message's history, oldest first."""
    return [
        Event(row.seq, row.at, Status(row.status), row.provider, row.attempt, row.reason)
        for row in await connection.execute(_EVENTS, {"id": message_id})
    ]


@dataclass(frozen=True, slots=True)
class PlaceCount:
    """How many messages of a tier are in a place, since when the longest, and the next wake."""

    tier: Tier
    place: Place
    count: int
    oldest: datetime
    next_wake: datetime | None


async def places(connection: AsyncConnection) -> list[PlaceCount]:
    """Count what is on its way, by tier and place."""
    rows = await connection.execute(_PLACES)
    return [PlaceCount(Tier(row.tier), Place(row.place), row.n, row.oldest, row.next) for row in rows]
