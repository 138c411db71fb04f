"""Writing what was accepted: a batch, its messages and their first events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.status import Place, Status
from dispatcher.domain.tier import Tier
from dispatcher.domain.window import Window


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch about to be written."""

    public_id: UUID
    account_id: int
    dialect: str
    tier: Tier
    sender_id: int | None
    window: Window


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message about to be written, with the status and the place it is born in."""

    public_id: UUID
    number: str
    number_as_given: str
    country: str
    text: str
    segments: int
    charged: int
    status: Status
    place: Place | None
    wake_at: datetime | None
    reason: str


_BATCH = text("""
INSERT INTO batches (public_id, account_id, dialect, tier, sender_id, not_before, not_after, created_at)
VALUES (:public_id, :account_id, :dialect, :tier, :sender_id, :not_before, :not_after, :now)
RETURNING id
""")

_MESSAGES = text("""
WITH given AS (
    SELECT * FROM unnest(
        CAST(:public_ids AS uuid[]), CAST(:numbers AS text[]), CAST(:given AS text[]),
        CAST(:countries AS text[]), CAST(:texts AS text[]), CAST(:segments AS smallint[]),
        CAST(:charged AS integer[]), CAST(:statuses AS smallint[]), CAST(:places AS text[]),
        CAST(:wakes AS timestamptz[]), CAST(:reasons AS text[])
    ) WITH ORDINALITY AS g(
        public_id, number, number_as_given, country, text, segments,
        charged, status, place, wake_at, reason, ord
    )
),
born AS (
    INSERT INTO messages (
        public_id, batch_id, account_id, sender_id, tier, number, number_as_given, country, text, segments,
        charged, not_before, not_after, status, place, wake_at, reason, created_at, moved_at
    )
    SELECT public_id, :batch_id, :account_id, :sender_id, :tier, number, number_as_given, country, text,
           segments, charged, :not_before, :not_after, status, place, wake_at, reason, :now, :now
    FROM given ORDER BY ord
    RETURNING id, seq, status, reason
),
events AS (
    INSERT INTO message_events (message_id, seq, at, status, provider, attempt, reason)
    SELECT id, seq, :now, status, NULL, 0, reason FROM born
)
SELECT id FROM born ORDER BY id
""")


async def insert(
    connection: AsyncConnection, batch: NewBatch, messages: Sequence[NewMessage], *, now: datetime
) -> tuple[int, list[int]]:
    """Write them; give the batch's id and the messages' ids, in the order given."""
    shared = {
        "account_id": batch.account_id,
        "sender_id": batch.sender_id,
        "tier": batch.tier.value,
        "not_before": batch.window.not_before,
        "not_after": batch.window.not_after,
        "now": now,
    }
    batch_id = await connection.scalar(
        _BATCH, {**shared, "public_id": batch.public_id, "dialect": batch.dialect}
    )
    rows = await connection.execute(
        _MESSAGES,
        {
            **shared,
            "batch_id": batch_id,
            "public_ids": [m.public_id for m in messages],
            "numbers": [m.number for m in messages],
            "given": [m.number_as_given for m in messages],
            "countries": [m.country for m in messages],
            "texts": [m.text for m in messages],
            "segments": [m.segments for m in messages],
            "charged": [m.charged for m in messages],
            "statuses": [int(m.status) for m in messages],
            "places": [m.place and m.place.value for m in messages],
            "wakes": [m.wake_at for m in messages],
            "reasons": [m.reason for m in messages],
        },
    )
    return int(batch_id), [row.id for row in rows]
