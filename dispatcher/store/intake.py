"""Writing what was accepted: a batch, its messages and their first events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import AlreadyExists
from dispatcher.domain.status import Place, Status
from dispatcher.domain.tier import Tier
from dispatcher.domain.window import Window
from dispatcher.store.moves import EVENTS, RETURNED


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch about to be written."""

    public_id: UUID
    account_id: int
    dialect: str
    tier: Tier
    sender_id: int | None
    window: Window
    external_id: str | None = None
    client_id: str = ""
    callback_url: str | None = None
    template_id: int | None = None
    traceparent: str | None = None


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
    is_test: bool = False


_BATCH = text("""
INSERT INTO batches (public_id, account_id, dialect, tier, sender_id, not_before, not_after, created_at,
                     external_id, client_id, callback_url, template_id)
VALUES (:public_id, :account_id, :dialect, :tier, :sender_id, :not_before, :not_after, :now,
        :external_id, :client_id, :callback_url, :template_id)
ON CONFLICT (account_id, dialect, external_id) WHERE external_id IS NOT NULL DO NOTHING
RETURNING id
""")

_MESSAGES = text(f"""
WITH given AS (
    SELECT * FROM unnest(
        CAST(:public_ids AS uuid[]), CAST(:numbers AS text[]), CAST(:given AS text[]),
        CAST(:countries AS text[]), CAST(:texts AS text[]), CAST(:segments AS smallint[]),
        CAST(:charged AS integer[]), CAST(:statuses AS smallint[]), CAST(:places AS text[]),
        CAST(:wakes AS timestamptz[]), CAST(:reasons AS text[]), CAST(:tests AS boolean[])
    ) WITH ORDINALITY AS g(
        public_id, number, number_as_given, country, text, segments,
        charged, status, place, wake_at, reason, is_test, ord
    )
),
moved AS (
    INSERT INTO messages AS m (
        public_id, batch_id, account_id, sender_id, tier, number, number_as_given, country, text, segments,
        charged, not_before, not_after, status, place, wake_at, reason, is_test, calls_back,
        traceparent, created_at, moved_at
    )
    SELECT public_id, :batch_id, :account_id, :sender_id, :tier, number, number_as_given, country, text,
           segments, charged, :not_before, :not_after, status, place, wake_at, reason, is_test, :calls_back,
           CAST(:traceparent AS text), :now, :now
    FROM given ORDER BY ord
    RETURNING {RETURNED}
),
{EVENTS}
SELECT id FROM moved ORDER BY id
""")


async def insert(
    connection: AsyncConnection, batch: NewBatch, messages: Sequence[NewMessage], *, now: datetime
) -> tuple[int, list[int]]:
    """
    Write them; give the batch's id and the messages' ids, in the order given.

    Raises AlreadyExists when the account has a batch with this external id.
    """
    shared = _shared(batch, now)
    batch_id = await connection.scalar(_BATCH, {**shared, **_of_batch(batch)})
    if batch_id is None:
        raise AlreadyExists(f"there is a batch with the id {batch.external_id!r} already")
    calls_back = batch.callback_url is not None
    values = {**shared, **_of_messages(messages), "batch_id": batch_id, "calls_back": calls_back}
    return int(batch_id), [row.id for row in await connection.execute(_MESSAGES, values)]


def _shared(batch: NewBatch, now: datetime) -> dict[str, object]:
    return {
        "account_id": batch.account_id,
        "sender_id": batch.sender_id,
        "tier": batch.tier.value,
        "not_before": batch.window.not_before,
        "not_after": batch.window.not_after,
        "traceparent": batch.traceparent,
        "now": now,
    }


def _of_batch(batch: NewBatch) -> dict[str, object]:
    return {
        "public_id": batch.public_id,
        "dialect": batch.dialect,
        "external_id": batch.external_id,
        "client_id": batch.client_id,
        "callback_url": batch.callback_url,
        "template_id": batch.template_id,
    }


def _of_messages(messages: Sequence[NewMessage]) -> dict[str, object]:
    return {
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
        "tests": [m.is_test for m in messages],
    }
