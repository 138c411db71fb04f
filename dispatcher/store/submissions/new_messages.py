"""Writing accepted batches, their messages and their first events, many in one statement."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.messages.waits import WaitKind
from dispatcher.domain.messages.window import Window
from dispatcher.domain.tier import Tier
from dispatcher.store.transitions import EVENTS, RETURNED
from dispatcher.store.waits import kind_of


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be written, with its first status and place."""

    public_id: UUID
    number: str
    number_as_given: str
    country: str
    charged: int
    status: Status
    place: Place | None
    wake_at: datetime | None
    reason: str
    is_test: bool = False
    closes_at: datetime | None = None
    own: "OwnContent | None" = None


@dataclass(frozen=True, slots=True)
class OwnContent:
    """The text and window of a campaign's message, where other messages have those of their batch."""

    text: str
    segments: int
    window: Window


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to be written, with its messages. `run_id` is the run of a campaign that it belongs to."""

    public_id: UUID
    account_id: int
    dialect: str
    tier: Tier
    sender_id: int | None
    window: Window
    text: str
    segments: int
    messages: Sequence[NewMessage]
    external_id: str | None = None
    client_id: str = ""
    callback_url: str | None = None
    template_id: int | None = None
    traceparent: str | None = None
    run_id: int | None = None

    @property
    def cost(self) -> int:
        """The credits that all messages cost."""
        return sum(message.charged for message in self.messages)

    @property
    def open_messages(self) -> int:
        """How many messages are to be sent, now or later."""
        return sum(message.place is not None for message in self.messages)


@dataclass(frozen=True, slots=True)
class WrittenBatch:
    """The id of a batch and those of its messages, in their order."""

    batch_id: int
    message_ids: Sequence[int]


_CHUNK = 500

_BATCHES = text("""
INSERT INTO batches (public_id, account_id, dialect, tier, sender_id, not_before, not_after, created_at,
                     external_id, client_id, callback_url, template_id, run_id)
SELECT public_id, account_id, dialect, tier, sender_id, not_before, not_after, :now,
       external_id, client_id, callback_url, template_id, run_id
FROM unnest(
    CAST(:public_ids AS uuid[]), CAST(:accounts AS bigint[]), CAST(:dialects AS text[]),
    CAST(:tiers AS text[]), CAST(:senders AS bigint[]), CAST(:befores AS timestamptz[]),
    CAST(:afters AS timestamptz[]), CAST(:external_ids AS text[]), CAST(:client_ids AS text[]),
    CAST(:urls AS text[]), CAST(:templates AS bigint[]), CAST(:runs AS bigint[])
) WITH ORDINALITY AS g(
    public_id, account_id, dialect, tier, sender_id, not_before, not_after, external_id, client_id,
    callback_url, template_id, run_id, ord
)
ORDER BY ord
ON CONFLICT (account_id, dialect, external_id) WHERE external_id IS NOT NULL DO NOTHING
RETURNING id, public_id
""")

_NOT_BEFORE = "coalesce(g.not_before, b.not_before)"
_WAIT_KIND = f"""
CASE g.place WHEN 'lane' THEN {kind_of(WaitKind.WORKER)} WHEN 'ready' THEN {kind_of(WaitKind.ROOM)}
    WHEN 'held' THEN CASE WHEN g.wake_at > {_NOT_BEFORE} THEN {kind_of(WaitKind.HOURS)} END END
"""

# The values that a batch's messages share are passed once for each batch, so that large batches cost little.
_MESSAGES = text(f"""
WITH of_batch AS (
    SELECT * FROM unnest(
        CAST(:batch_ids AS bigint[]), CAST(:accounts AS bigint[]), CAST(:senders AS bigint[]),
        CAST(:tiers AS text[]), CAST(:befores AS timestamptz[]), CAST(:afters AS timestamptz[]),
        CAST(:texts AS text[]), CAST(:segments AS smallint[]), CAST(:call_backs AS boolean[]),
        CAST(:traces AS text[]), CAST(:flows AS bigint[])
    ) AS b(
        batch_id, account_id, sender_id, tier, not_before, not_after, text, segments, calls_back, traceparent,
        flow
    )
),
new_rows AS (
    SELECT * FROM unnest(
        CAST(:of_batches AS bigint[]), CAST(:public_ids AS uuid[]), CAST(:numbers AS text[]),
        CAST(:given AS text[]), CAST(:countries AS text[]), CAST(:charged AS integer[]),
        CAST(:statuses AS smallint[]), CAST(:places AS text[]), CAST(:wakes AS timestamptz[]),
        CAST(:reasons AS text[]), CAST(:tests AS boolean[]), CAST(:closes AS timestamptz[]),
        CAST(:own_texts AS text[]), CAST(:own_segments AS smallint[]), CAST(:own_befores AS timestamptz[]),
        CAST(:own_afters AS timestamptz[])
    ) WITH ORDINALITY AS g(
        batch_id, public_id, number, number_as_given, country, charged, status, place, wake_at, reason,
        is_test, closes_at, text, segments, not_before, not_after, ord
    )
),
moved AS (
    INSERT INTO messages AS m (
        public_id, batch_id, account_id, sender_id, tier, number, number_as_given, country, text, segments,
        charged, not_before, not_after, status, place, wake_at, reason, is_test, calls_back, traceparent,
        flow, closes_at, created_at, moved_at, wait_kind, wait_since
    )
    SELECT g.public_id, g.batch_id, b.account_id, b.sender_id, b.tier, g.number, g.number_as_given, g.country,
           coalesce(g.text, b.text), coalesce(g.segments, b.segments), g.charged,
           coalesce(g.not_before, b.not_before), coalesce(g.not_after, b.not_after), g.status, g.place,
           g.wake_at, g.reason, g.is_test, b.calls_back, b.traceparent, b.flow, g.closes_at, :now, :now,
           {_WAIT_KIND}, CASE WHEN g.place IS NOT NULL THEN greatest(:now, {_NOT_BEFORE}) END
    FROM new_rows g JOIN of_batch b USING (batch_id) ORDER BY g.ord
    RETURNING {RETURNED}, m.public_id, m.number
),
{EVENTS},
found_by AS (
    INSERT INTO message_lookup (public_id, message_id, batch_id, number, created_at)
    SELECT public_id, id, batch_id, number, :now FROM moved
)
SELECT id, batch_id FROM moved ORDER BY id
""")


async def insert(
    connection: AsyncConnection, batches: Sequence[NewBatch], *, now: datetime
) -> list[WrittenBatch | None]:
    """Write batches with their messages; return their ids, None for a batch whose external id is taken."""
    rows = await connection.execute(_BATCHES, _of_batches(batches) | {"now": now})
    numbers = {row.public_id: row.id for row in rows}
    new = {numbers[batch.public_id]: batch for batch in batches if batch.public_id in numbers}
    written: dict[int, list[int]] = {batch_id: [] for batch_id in new}
    for chunk in _chunks(new):
        for batch_id, ids in (await insert_messages(connection, chunk, now=now)).items():
            written[batch_id] += ids
    return [
        WrittenBatch(numbers[b.public_id], written[numbers[b.public_id]]) if b.public_id in numbers else None
        for b in batches
    ]


def _chunks(batches: Mapping[int, NewBatch]) -> Iterator[Mapping[int, NewBatch]]:
    """Yield batches in chunks: large ones are cut, so that preparing them does not block the event loop."""
    yield {batch_id: batch for batch_id, batch in batches.items() if len(batch.messages) <= _CHUNK}
    for batch_id, batch in batches.items():
        if len(batch.messages) > _CHUNK:
            for start in range(0, len(batch.messages), _CHUNK):
                yield {batch_id: replace(batch, messages=batch.messages[start : start + _CHUNK])}


async def insert_messages(
    connection: AsyncConnection, batches: Mapping[int, NewBatch], *, now: datetime
) -> dict[int, list[int]]:
    """Write messages of batches that exist; return their ids in order, by the id of the batch."""
    written: dict[int, list[int]] = {batch_id: [] for batch_id in batches}
    if not batches:
        return written
    for row in await connection.execute(_MESSAGES, _of_messages(batches) | {"now": now}):
        written[row.batch_id].append(row.id)
    return written


def _of_batches(batches: Sequence[NewBatch]) -> dict[str, object]:
    return {
        "public_ids": [b.public_id for b in batches],
        "accounts": [b.account_id for b in batches],
        "dialects": [b.dialect for b in batches],
        "tiers": [b.tier.value for b in batches],
        "senders": [b.sender_id for b in batches],
        "befores": [b.window.not_before for b in batches],
        "afters": [b.window.not_after for b in batches],
        "external_ids": [b.external_id for b in batches],
        "client_ids": [b.client_id for b in batches],
        "urls": [b.callback_url for b in batches],
        "templates": [b.template_id for b in batches],
        "runs": [b.run_id for b in batches],
    }


def _of_messages(batches: Mapping[int, NewBatch]) -> dict[str, object]:
    messages = [(batch_id, message) for batch_id, batch in batches.items() for message in batch.messages]
    return {
        "batch_ids": list(batches),
        "accounts": [b.account_id for b in batches.values()],
        "senders": [b.sender_id for b in batches.values()],
        "tiers": [b.tier.value for b in batches.values()],
        "befores": [b.window.not_before for b in batches.values()],
        "afters": [b.window.not_after for b in batches.values()],
        "texts": [b.text for b in batches.values()],
        "segments": [b.segments for b in batches.values()],
        "call_backs": [b.callback_url is not None for b in batches.values()],
        "traces": [b.traceparent for b in batches.values()],
        "flows": [b.run_id or 0 for b in batches.values()],
        "of_batches": [batch_id for batch_id, _ in messages],
        "public_ids": [m.public_id for _, m in messages],
        "numbers": [m.number for _, m in messages],
        "given": [m.number_as_given for _, m in messages],
        "countries": [m.country for _, m in messages],
        "charged": [m.charged for _, m in messages],
        "statuses": [int(m.status) for _, m in messages],
        "places": [m.place and m.place.value for _, m in messages],
        "wakes": [m.wake_at for _, m in messages],
        "reasons": [m.reason for _, m in messages],
        "tests": [m.is_test for _, m in messages],
        "closes": [m.closes_at for _, m in messages],
        "own_texts": [m.own and m.own.text for _, m in messages],
        "own_segments": [m.own and m.own.segments for _, m in messages],
        "own_befores": [m.own and m.own.window.not_before for _, m in messages],
        "own_afters": [m.own and m.own.window.not_after for _, m in messages],
    }
