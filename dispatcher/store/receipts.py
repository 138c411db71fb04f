"""Receipts: kept as they come, matched to messages in batches, whatever the order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.provider import Report
from dispatcher.domain.receipt import Current, Part
from dispatcher.domain.status import Place, Status
from dispatcher.store.moves import EVENTS, RETURNED


@dataclass(frozen=True, slots=True)
class Waiting:
    """A receipt that is not settled yet, locked."""

    id: int
    provider: str
    ref: str | None
    status: Status | None
    reason: str
    opted_out: bool
    received_at: datetime
    tries: int


@dataclass(frozen=True, slots=True)
class Match:
    """Whose receipt it is. `attempt` is None when it was found by our own reference."""

    message_id: int
    attempt: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """One move of a message by a receipt."""

    message_id: int
    status: Status
    provider: str
    reason: str
    wake_at: datetime | None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a receipt. With the verdict `new`, `wake_at` says when to look again."""

    id: int
    verdict: str
    message_id: int | None
    wake_at: datetime | None


_INSERT = text("""
INSERT INTO receipts (provider, ref, reference, status, reason, opted_out, received_at, wake_at)
SELECT r.provider, r.ref, r.reference, r.status, r.reason, r.opted_out, :now, :now FROM unnest(
    CAST(:providers AS text[]), CAST(:refs AS text[]), CAST(:references AS uuid[]),
    CAST(:statuses AS smallint[]), CAST(:reasons AS text[]), CAST(:opted_outs AS boolean[])
) AS r(provider, ref, reference, status, reason, opted_out)
""")

_PICK = text("""
SELECT id, provider, ref, status, reason, opted_out, received_at, tries FROM receipts
WHERE wake_at IS NOT NULL AND wake_at <= :now
ORDER BY wake_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")

_MATCH = text("""
SELECT r.id, coalesce(s.message_id, m.id) AS message_id, s.attempt
FROM receipts r
LEFT JOIN submissions s ON s.provider = r.provider AND s.ref = r.ref
LEFT JOIN messages m ON m.public_id = r.reference AND m.attempt > 0 AND s.message_id IS NULL
WHERE r.id = ANY(CAST(:ids AS bigint[])) AND coalesce(s.message_id, m.id) IS NOT NULL
""")

_LOCK = text("""
SELECT id, status, place, attempt, doubts FROM messages
WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR UPDATE
""")

_PARTS = text("""
SELECT message_id, attempt, provider, ref, status FROM submissions
WHERE message_id = ANY(CAST(:ids AS bigint[]))
""")

_NOTE_PARTS = text("""
UPDATE submissions s SET status = g.status
FROM unnest(CAST(:providers AS text[]), CAST(:refs AS text[]), CAST(:statuses AS smallint[]))
     AS g(provider, ref, status)
WHERE s.provider = g.provider AND s.ref = g.ref
""")

_STEP = text(f"""
WITH moved AS (
    UPDATE messages m
    SET status = g.status, place = NULL, wake_at = g.wake_at, provider = g.provider, reason = g.reason,
        seq = m.seq + 1, moved_at = greatest(m.moved_at, :now)
    FROM unnest(
        CAST(:ids AS bigint[]), CAST(:statuses AS smallint[]), CAST(:providers AS text[]),
        CAST(:reasons AS text[]), CAST(:wakes AS timestamptz[])
    ) AS g(id, status, provider, reason, wake_at)
    WHERE m.id = g.id
    RETURNING {RETURNED}
),
{EVENTS}
SELECT count(*) FROM moved
""")

_SETTLE = text("""
UPDATE receipts r
SET verdict = g.verdict, message_id = g.message_id, wake_at = g.wake_at, tries = r.tries + 1
FROM unnest(
    CAST(:ids AS bigint[]), CAST(:verdicts AS text[]), CAST(:message_ids AS bigint[]),
    CAST(:wakes AS timestamptz[])
) AS g(id, verdict, message_id, wake_at)
WHERE r.id = g.id
""")


async def insert(connection: AsyncConnection, told: Sequence[tuple[str, Report]], *, now: datetime) -> None:
    """Keep what providers, each by its name, told; nothing is matched yet."""
    reports = [report for _, report in told]
    await connection.execute(
        _INSERT,
        {
            "providers": [provider for provider, _ in told],
            "refs": [r.ref for r in reports],
            "references": [_uuid(r.reference) for r in reports],
            "statuses": [None if r.status is None else int(r.status) for r in reports],
            "reasons": [r.reason for r in reports],
            "opted_outs": [r.opted_out for r in reports],
            "now": now,
        },
    )


async def pick(connection: AsyncConnection, *, now: datetime, limit: int) -> list[Waiting]:
    """Lock receipts to be matched now, oldest first; those another process matches are skipped."""
    return [
        Waiting(
            row.id,
            row.provider,
            row.ref,
            None if row.status is None else Status(row.status),
            row.reason,
            row.opted_out,
            row.received_at,
            row.tries,
        )
        for row in await connection.execute(_PICK, {"now": now, "limit": limit})
    ]


async def match(connection: AsyncConnection, receipt_ids: Sequence[int]) -> dict[int, Match]:
    """Find the messages of receipts: by the provider's reference, else by ours if it was ever tried."""
    rows = await connection.execute(_MATCH, {"ids": list(receipt_ids)})
    return {row.id: Match(row.message_id, row.attempt) for row in rows}


async def lock(connection: AsyncConnection, message_ids: Sequence[int]) -> dict[int, Current]:
    """Lock these messages and read where they stand, with the parts known of them."""
    ids = {"ids": sorted(message_ids)}
    rows = (await connection.execute(_LOCK, ids)).all()
    parts: dict[int, list[Part]] = {row.id: [] for row in rows}
    for row in await connection.execute(_PARTS, ids):
        status = None if row.status is None else Status(row.status)
        parts[row.message_id].append(Part(row.attempt, row.provider, row.ref, status))
    return {
        row.id: Current(
            status=Status(row.status),
            place=Place(row.place) if row.place else None,
            attempt=row.attempt,
            doubts=row.doubts,
            parts=tuple(parts[row.id]),
        )
        for row in rows
    }


async def step(connection: AsyncConnection, steps: Sequence[Step], *, now: datetime) -> None:
    """Move locked messages, each with its event; a message may be named only once."""
    await connection.execute(
        _STEP,
        {
            "ids": [s.message_id for s in steps],
            "statuses": [int(s.status) for s in steps],
            "providers": [s.provider for s in steps],
            "reasons": [s.reason for s in steps],
            "wakes": [s.wake_at for s in steps],
            "now": now,
        },
    )


async def note_parts(connection: AsyncConnection, told: dict[tuple[str, str], Status]) -> None:
    """Write what was told of each part, by provider and reference."""
    await connection.execute(
        _NOTE_PARTS,
        {
            "providers": [provider for provider, _ in told],
            "refs": [ref for _, ref in told],
            "statuses": [int(status) for status in told.values()],
        },
    )


async def settle(connection: AsyncConnection, settled: Sequence[Settled]) -> None:
    """Write what became of these receipts."""
    await connection.execute(
        _SETTLE,
        {
            "ids": [s.id for s in settled],
            "verdicts": [s.verdict for s in settled],
            "message_ids": [s.message_id for s in settled],
            "wakes": [s.wake_at for s in settled],
        },
    )


def _uuid(reference: str | None) -> UUID | None:
    try:
        return UUID(reference) if reference else None
    except ValueError:
        return None
