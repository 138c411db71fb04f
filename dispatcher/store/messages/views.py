"""Messages and batches as they are read: one view of each, for producers and for operators."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.messages.parts import PartsTaken
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.messages.waits import Wait, WaitKind
from dispatcher.domain.tier import Tier
from dispatcher.store.message_lookup import BY_PUBLIC_ID, LOOKED_UP, OF_BATCHES


@dataclass(frozen=True, slots=True)
class MessageView:
    """
    One message as it is read; `text` is None unless it was requested.

    `number` is in E.164, `number_as_given` as its producer wrote it. `paused`
    is whether its campaign is paused, `timezone` that of its account.
    `parts_taken` are the parts that the provider has, if it did not take all of
    them in one attempt.
    """

    id: int
    public_id: UUID
    batch_id: int
    batch_public_id: UUID
    account: str
    timezone: str
    dialect: str
    client_id: str
    number: str
    number_as_given: str
    country: str
    sender: str | None
    text: str | None
    tier: Tier
    status: Status
    place: Place | None
    wake_at: datetime | None
    wait_kind: WaitKind | None
    waits_for: str | None
    wait_since: datetime | None
    paused: bool
    reason: str
    provider: str | None
    parts_taken: PartsTaken | None
    attempt: int
    deferrals: int
    doubts: int
    segments: int
    charged: int
    is_test: bool
    not_before: datetime
    not_after: datetime
    closes_at: datetime | None
    created_at: datetime
    moved_at: datetime


@dataclass(frozen=True, slots=True)
class MessageStatus:
    """The status of one message of a large batch: the view of thousands takes five times as long to read."""

    id: int
    number_as_given: str
    status: Status


@dataclass(frozen=True, slots=True)
class BatchView:
    """One batch as it is read. `template_id` is the id by which its account names the template."""

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


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a message's history."""

    seq: int
    at: datetime
    status: Status
    provider: str | None
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class PlaceCount:
    """How many messages of a tier are in a place, when the oldest came there, and the next wake."""

    tier: Tier
    place: Place
    count: int
    oldest: datetime
    next_wake: datetime | None


def message_view(source: str) -> str:
    """
    Return the SELECT of message views from a table or CTE of messages, which it calls m.

    OFFSET 0 keeps the planner from joining the other way round: with statistics
    of an almost empty table it would read all batches to find that of the message.
    """
    return f"""
SELECT m.id, m.public_id, m.batch_id, b.public_id AS batch_public_id, a.name AS account, a.timezone,
       b.dialect, b.client_id, m.number, m.number_as_given, m.country, s.name AS sender,
       CASE WHEN :with_text THEN m.text END AS text, m.tier, m.status, m.place, m.wake_at,
       m.wait_kind, m.waits_for, m.wait_since, b.paused, m.reason, m.provider, m.attempt, m.deferrals,
       m.doubts, m.segments, m.charged, m.is_test, CAST(m.parts_taken AS text) AS parts_taken,
       m.not_before, m.not_after, m.closes_at, m.created_at, m.moved_at
FROM {source} m CROSS JOIN LATERAL (SELECT * FROM batches WHERE id = m.batch_id OFFSET 0) b
JOIN accounts a ON a.id = m.account_id
LEFT JOIN senders s ON s.id = m.sender_id
"""


def batch_view(source: str) -> str:
    """Return the SELECT of batch views from a table or CTE of batches, which it calls b."""
    return f"""
SELECT b.id, b.public_id, a.name AS account, b.dialect, b.tier, s.name AS sender,
       t.public_id AS template_id, b.external_id, b.client_id, b.callback_url, b.not_before, b.not_after,
       b.created_at
FROM {source} b JOIN accounts a ON a.id = b.account_id
LEFT JOIN senders s ON s.id = b.sender_id LEFT JOIN templates t ON t.id = b.template_id
"""


OWN = "b.account_id = :account_id AND b.dialect = :dialect"
"""The condition that a batch, called b, is the producer's own: of its account, through its dialect."""

_MESSAGE = text(f"{message_view('messages')} WHERE m.id = coalesce(CAST(:id AS bigint), {BY_PUBLIC_ID})")
# Not b.account_id: the planner might read all batches of the account to find that of the message.
_OWN_MESSAGE = text(f"{_MESSAGE} AND m.account_id = :account_id AND b.dialect = :dialect")
_BATCH = text(
    f"{batch_view('batches')} WHERE b.id = CAST(:id AS bigint) OR b.public_id = CAST(:public_id AS uuid)"
)
# An external id takes precedence over the same text as a public id.
_OWN_BATCH = text(f"""
WITH picked AS (
    SELECT * FROM batches b
    WHERE {OWN} AND (b.external_id = :external_id OR b.public_id = CAST(:public_id AS uuid))
    ORDER BY b.external_id IS NULL LIMIT 1
)
{batch_view("picked")}
""")
_OWNS_BATCH = text(f"SELECT id FROM batches b WHERE id = :id AND {OWN}")
_STATUSES = text(
    f"SELECT m.id, m.number_as_given, m.status FROM {LOOKED_UP}"
    " WHERE k.batch_id = :id AND k.message_id > :after ORDER BY k.message_id LIMIT :limit"
)
_COUNTS = text(
    f"SELECT status, count(*) AS n FROM messages WHERE id = ANY({OF_BATCHES}) GROUP BY status ORDER BY status"
)
_EVENTS = text("""
SELECT seq, at, status, provider, attempt, reason FROM message_events WHERE message_id = :id ORDER BY seq
""")
_WAITS = text("SELECT waits FROM messages WHERE id = :id AND waits IS NOT NULL")
_PLACES = text("""
SELECT tier, place, count(*) AS n, min(moved_at) AS oldest, min(wake_at) AS next FROM messages
WHERE place IN ('held', 'ready', 'lane', 'worker') GROUP BY tier, place
""")


async def message(
    connection: AsyncConnection, key: int | UUID, *, caller: Caller | None = None, with_text: bool = False
) -> MessageView | None:
    """Return one message, by its id or its public id; with a caller, only one of its own."""
    values = {**id_parameters(key), **owner_parameters(caller), "with_text": with_text}
    rows = await connection.execute(_MESSAGE if caller is None else _OWN_MESSAGE, values)
    row = rows.one_or_none()
    return None if row is None else read_message(row)


async def events(connection: AsyncConnection, message_id: int) -> list[Event]:
    """Return a message's history, oldest first."""
    return [
        Event(row.seq, row.at, Status(row.status), row.provider, row.attempt, row.reason)
        for row in await connection.execute(_EVENTS, {"id": message_id})
    ]


async def waits(connection: AsyncConnection, message_id: int) -> list[Wait]:
    """Return the waits of a message that are over, oldest first."""
    return [
        Wait(
            WaitKind(wait["kind"]),
            wait["detail"] or "",
            datetime.fromisoformat(wait["since"]).astimezone(UTC),
            datetime.fromisoformat(wait["until"]).astimezone(UTC),
        )
        for wait in await connection.scalar(_WAITS, {"id": message_id}) or ()
    ]


async def batch(connection: AsyncConnection, key: int | UUID) -> BatchView | None:
    """Return one batch, by its id or its public id."""
    row = (await connection.execute(_BATCH, id_parameters(key))).one_or_none()
    return None if row is None else read_batch(row)


async def own_batch(connection: AsyncConnection, caller: Caller, name: str) -> BatchView | None:
    """Return one batch of the caller's own, by its external id or its public id."""
    values = {"external_id": name, "public_id": _uuid(name), **owner_parameters(caller)}
    row = (await connection.execute(_OWN_BATCH, values)).one_or_none()
    return None if row is None else read_batch(row)


async def owns_batch(connection: AsyncConnection, caller: Caller, batch_id: int) -> bool:
    """Return whether the batch with this id is the caller's own."""
    return await connection.scalar(_OWNS_BATCH, {"id": batch_id, **owner_parameters(caller)}) is not None


async def statuses(
    connection: AsyncConnection, batch_id: int, *, after: int, limit: int
) -> list[MessageStatus]:
    """Return the messages of a batch in order, a page after the message with the id `after`."""
    rows = await connection.execute(_STATUSES, {"id": batch_id, "after": after, "limit": limit})
    return [MessageStatus(row.id, row.number_as_given, Status(row.status)) for row in rows]


async def counts(connection: AsyncConnection, batch_id: int) -> Mapping[Status, int]:
    """Return how many messages of a batch have each status."""
    return {Status(row.status): row.n for row in await connection.execute(_COUNTS, {"ids": [batch_id]})}


async def places(connection: AsyncConnection) -> list[PlaceCount]:
    """Return how many open messages there are, by tier and place."""
    rows = await connection.execute(_PLACES)
    return [PlaceCount(Tier(row.tier), Place(row.place), row.n, row.oldest, row.next) for row in rows]


def read_message(row: Row[Any]) -> MessageView:
    """Return the message in a row of `message_view`."""
    place = Place(row.place) if row.place else None
    kind = WaitKind(row.wait_kind) if row.wait_kind else None
    taken = PartsTaken.read(row.parts_taken) if row.parts_taken else None
    typed = {
        "tier": Tier(row.tier),
        "status": Status(row.status),
        "place": place,
        "wait_kind": kind,
        "parts_taken": taken,
    }
    return MessageView(**{**row._mapping, **typed})


def read_batch(row: Row[Any]) -> BatchView:
    """Return the batch in a row of `batch_view`."""
    return BatchView(**{**row._mapping, "tier": Tier(row.tier)})


def id_parameters(key: int | UUID) -> dict[str, object]:
    """Return the parameters `id` and `public_id`, one of them null."""
    return {"id": key, "public_id": None} if isinstance(key, int) else {"id": None, "public_id": key}


def owner_parameters(caller: Caller | None) -> dict[str, object]:
    """Return the parameters of `OWN`; none without a caller."""
    return {} if caller is None else {"account_id": caller.account.id, "dialect": caller.dialect}


def _uuid(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None
