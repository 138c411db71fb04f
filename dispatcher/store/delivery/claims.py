"""The delivery path: read, claim, record. The fence of a read is `seq`, of a claim its attempt number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.delivery.message import Attempt, DueMessage, Verdict
from dispatcher.domain.delivery.provider import Accepted, Outcome
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.window import Window
from dispatcher.domain.tier import Tier
from dispatcher.store.accounts import hours, opt_outs
from dispatcher.store.status_literals import GAVE_UP, PENDING, SENT
from dispatcher.store.transitions import EVENTS, IN_LANE, RETURNED, WITH_WORKER, transition

# A message always has a batch. The outer join keeps the planner from starting with the batches.
_READ = text(f"""
SELECT m.id, m.public_id, m.seq, m.account_id, m.tier, m.number, m.country, s.name AS sender,
       s.disabled_at IS NULL AS sender_usable, m.text, m.segments, m.not_before, m.not_after,
       m.attempt, m.deferrals, m.doubts, m.is_test, b.paused, m.traceparent,
       CAST({hours.OF_MESSAGE} AS text) AS hours,
       EXISTS (SELECT 1 {opt_outs.OF_MESSAGE}) AS opted_out
FROM messages m LEFT JOIN batches b ON b.id = m.batch_id LEFT JOIN senders s ON s.id = m.sender_id
WHERE m.id = ANY(CAST(:ids AS bigint[])) AND {IN_LANE}
ORDER BY m.id
""")

# Opt-outs are looked up row by row: a join might be planned to read all of them.
_CLAIM = text(f"""
UPDATE messages m
SET place = 'worker', wake_at = :lease_end, attempt = m.attempt + 1, seq = m.seq + 1,
    provider = :provider
FROM (
    SELECT m.id, c.seq
    FROM unnest(CAST(:ids AS bigint[]), CAST(:seqs AS integer[])) AS c(id, seq)
    JOIN messages m ON m.id = c.id AND m.seq = c.seq AND {IN_LANE}
    WHERE :lease_end > clock_timestamp() AND (SELECT true {opt_outs.OF_MESSAGE} LIMIT 1) IS NULL
    ORDER BY m.id FOR UPDATE OF m SKIP LOCKED
) p
WHERE m.id = p.id
RETURNING m.id, p.seq, m.attempt
""")

_DROP = transition(
    f"""
    SELECT m.id, d.status, d.reason
    FROM unnest(CAST(:ids AS bigint[]), CAST(:statuses AS smallint[]), CAST(:reasons AS text[]))
         AS d(id, status, reason)
    JOIN messages m ON m.id = d.id AND {IN_LANE}
    ORDER BY m.id FOR UPDATE OF m SKIP LOCKED
    """,
    # A message in doubt may have gone out, so it must not get a status that is refunded.
    f"status = CASE WHEN m.doubts = 0 THEN p.status ELSE {GAVE_UP} END,"
    " place = NULL, wake_at = NULL, reason = p.reason",
)

_HOLD = text(f"""
UPDATE messages m SET place = 'held', wake_at = least(p.wake_at, m.not_after), closes_at = NULL,
    waits_for = CAST(:waits_for AS text)
FROM (
    SELECT m.id, h.wake_at
    FROM unnest(CAST(:ids AS bigint[]), CAST(:wakes AS timestamptz[])) AS h(id, wake_at)
    JOIN messages m ON m.id = h.id AND {IN_LANE}
    ORDER BY m.id FOR UPDATE OF m SKIP LOCKED
) p
WHERE m.id = p.id
RETURNING m.wake_at
""")

_RETURN_TO_READY = text(f"""
UPDATE messages m SET place = 'ready', wake_at = NULL
FROM (
    SELECT m.id FROM messages m
    WHERE m.id = ANY(CAST(:ids AS bigint[])) AND {IN_LANE}
    ORDER BY m.id FOR UPDATE SKIP LOCKED
) p
WHERE m.id = p.id
""")

_TRIES = """
SELECT * FROM unnest(
    CAST(:ids AS bigint[]), CAST(:attempts AS integer[]), CAST(:statuses AS smallint[]),
    CAST(:places AS text[]), CAST(:wakes AS timestamptz[]), CAST(:providers AS text[]),
    CAST(:reasons AS text[]), CAST(:deferred AS smallint[]), CAST(:doubtful AS smallint[])
) AS t(id, attempt, status, place, wake_at, provider, reason, deferred, doubtful)
"""

_RECORD = text(f"""
WITH tried AS MATERIALIZED (
    SELECT t.* FROM ({_TRIES}) t JOIN messages m ON m.id = t.id ORDER BY m.id FOR UPDATE OF m
),
moved AS (
    UPDATE messages m
    SET status = t.status, place = t.place, wake_at = t.wake_at, closes_at = NULL, provider = t.provider,
        reason = t.reason, deferrals = m.deferrals + t.deferred, doubts = m.doubts + t.doubtful,
        seq = m.seq + 1, moved_at = greatest(m.moved_at, :now)
    FROM tried t
    WHERE m.id = t.id AND m.attempt = t.attempt AND {WITH_WORKER}
    RETURNING {RETURNED}
),
{EVENTS},
named AS (
    INSERT INTO provider_references (provider, ref, message_id, attempt, part, wake_at, at)
    SELECT *, :now FROM unnest(
        CAST(:ref_providers AS text[]), CAST(:refs AS text[]), CAST(:ref_ids AS bigint[]),
        CAST(:ref_attempts AS smallint[]), CAST(:ref_parts AS smallint[]), CAST(:ref_wakes AS timestamptz[])
    )
    ON CONFLICT DO NOTHING
)
SELECT id, status, charged FROM moved
""")

# An outcome whose claim is over always becomes an event. It changes the status only if the provider accepted
# the message and no worker holds it. The same outcome written twice, because the answer to the first commit
# was lost, becomes one event.
_RECORD_LATE = text(f"""
WITH tried AS ({_TRIES}),
locked AS (
    SELECT m.id, (t.status = {SENT} AND m.status = {PENDING} AND m.place <> 'worker') AS moves
    FROM messages m JOIN tried t USING (id)
    WHERE NOT EXISTS (
        SELECT 1 FROM message_events e
        WHERE e.message_id = t.id AND e.attempt = t.attempt AND e.status = t.status
          AND (e.reason = t.reason OR e.reason = 'late outcome: ' || t.reason)
    )
    ORDER BY m.id FOR UPDATE OF m
),
moved AS (
    UPDATE messages m
    SET status = CASE WHEN l.moves THEN {SENT} ELSE m.status END,
        place = CASE WHEN l.moves THEN NULL ELSE m.place END,
        wake_at = CASE WHEN l.moves THEN t.wake_at ELSE m.wake_at END,
        provider = CASE WHEN l.moves THEN t.provider ELSE m.provider END,
        reason = CASE WHEN l.moves THEN 'late outcome: ' || t.reason ELSE m.reason END,
        seq = m.seq + 1, moved_at = greatest(m.moved_at, :now)
    FROM tried t JOIN locked l USING (id)
    WHERE m.id = t.id
    RETURNING m.id, m.seq, m.moved_at, m.status, t.provider, t.attempt,
              'late outcome: ' || t.reason AS reason, m.account_id, m.batch_id, m.calls_back
),
{EVENTS}
SELECT id FROM moved
""")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A message whose status a record or a drop changed; `charged` is what a refund returns."""

    id: int
    status: Status
    charged: int


@dataclass(frozen=True, slots=True)
class MessageVersion:
    """A message, and the `seq` that it had when it was read."""

    id: int
    seq: int


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """A message that waits out of its lane, and until when."""

    id: int
    until: datetime


@dataclass(frozen=True, slots=True)
class DroppedMessage:
    """A message that ends without being sent, with its status and the reason."""

    id: int
    status: Status
    reason: str


async def read(connection: AsyncConnection, ids: Sequence[int]) -> list[DueMessage]:
    """Return those of these messages that are still in their lane."""
    return [_due(row) for row in await connection.execute(_READ, {"ids": list(ids)})]


async def claim(
    connection: AsyncConnection, wanted: Sequence[MessageVersion], *, provider: str, lease_end: datetime
) -> dict[MessageVersion, int]:
    """
    Claim messages for this worker and return the attempt of each that was claimed.

    Claimed are those that are still in their lane and have the `seq` with
    which they were read, and none if the lease has ended already. A message
    whose number has opted out since stays in its lane: the next read of it
    leads to 26. `provider` is the one that is called first.
    """
    values = {
        "ids": [version.id for version in wanted],
        "seqs": [version.seq for version in wanted],
        "provider": provider,
        "lease_end": lease_end,
    }
    rows = await connection.execute(_CLAIM, values)
    return {MessageVersion(row.id, row.seq): row.attempt for row in rows}


async def drop(
    connection: AsyncConnection, dropped: Sequence[DroppedMessage], *, now: datetime
) -> list[Recorded]:
    """End messages in their lane that cannot be sent, each with its status and reason; return the ended."""
    rows = await connection.execute(
        _DROP,
        {
            "ids": [d.id for d in dropped],
            "statuses": [int(d.status) for d in dropped],
            "reasons": [d.reason for d in dropped],
            "now": now,
        },
    )
    return [Recorded(row.id, Status(row.status), row.charged) for row in rows]


async def hold(
    connection: AsyncConnection, held: Sequence[HeldMessage], *, waits_for: str | None = None
) -> datetime | None:
    """
    Hold messages that are in their lane until the times given, and return the earliest of these.

    No try is counted. `waits_for` says what they wait for besides their time;
    None means a token or a slot.
    """
    values = {"ids": [h.id for h in held], "wakes": [h.until for h in held], "waits_for": waits_for}
    rows = await connection.execute(_HOLD, values)
    return min((row.wake_at for row in rows), default=None)


async def return_to_ready(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Move messages that were read but not claimed from their lane back to `ready`."""
    await connection.execute(_RETURN_TO_READY, {"ids": list(ids)})


async def record(
    connection: AsyncConnection,
    ended: Sequence[tuple[Attempt, Verdict]],
    *,
    now: datetime,
    polls: Mapping[str, timedelta],
) -> list[Recorded]:
    """
    Write the outcomes of these tries and the providers' references; return the messages that changed.

    `polls` says which providers are asked for receipts, and how soon. A try
    whose claim is over (rescued, or a receipt came first) becomes an event,
    and changes the status only as `_RECORD_LATE` says.
    """
    asked: dict[str | None, datetime] = {provider: now + first for provider, first in polls.items()}
    parameters = {**_parameters(ended, now), **_references([t for t, _ in ended], asked)}
    rows = (await connection.execute(_RECORD, parameters)).all()
    moved = {row.id for row in rows}
    late = [pair for pair in ended if pair[0].message_id not in moved]
    if late:
        await connection.execute(_RECORD_LATE, _parameters(late, now))
    return [Recorded(row.id, Status(row.status), row.charged) for row in rows]


def _references(tries: Sequence[Attempt], asked: Mapping[str | None, datetime]) -> dict[str, object]:
    refs = [(t, ref, part) for t in tries for part, ref in enumerate(_refs(t.outcome), 1)]
    return {
        "refs": [ref for _, ref, _ in refs],
        "ref_parts": [part for _, _, part in refs],
        "ref_ids": [t.message_id for t, _, _ in refs],
        "ref_providers": [t.provider for t, _, _ in refs],
        "ref_attempts": [t.attempt for t, _, _ in refs],
        "ref_wakes": [asked.get(t.provider) for t, _, _ in refs],
    }


def _refs(outcome: Outcome) -> tuple[str, ...]:
    return outcome.refs if isinstance(outcome, Accepted) else ()


def _parameters(ended: Sequence[tuple[Attempt, Verdict]], now: datetime) -> dict[str, object]:
    return {
        "ids": [t.message_id for t, _ in ended],
        "attempts": [t.attempt for t, _ in ended],
        "statuses": [int(v.status) for _, v in ended],
        "places": [v.place and v.place.value for _, v in ended],
        "wakes": [v.wake_at for _, v in ended],
        "providers": [t.provider for t, _ in ended],
        "reasons": [v.reason for _, v in ended],
        "deferred": [int(v.deferred) for _, v in ended],
        "doubtful": [int(v.doubtful) for _, v in ended],
        "now": now,
    }


def _due(row: Sequence[Any]) -> DueMessage:
    # Unpacked in the order of _READ: reading twenty columns by name takes longer than building the message.
    (
        message_id, public_id, seq, account_id, tier, number, country, sender, usable, content, segments,
        not_before, not_after, attempt, deferrals, doubts, is_test, paused, traceparent, own_hours, opted_out,
    ) = row  # fmt: skip
    return DueMessage(
        id=message_id,
        public_id=public_id,
        seq=seq,
        account_id=account_id,
        tier=Tier(tier),
        number=number,
        country=country,
        sender=sender,
        sender_usable=bool(usable),
        text=content,
        segments=segments,
        window=Window(not_before, not_after),
        attempt=attempt,
        deferrals=deferrals,
        doubts=doubts,
        is_test=is_test,
        opted_out=bool(opted_out),
        paused=paused,
        hours=hours.read(own_hours) if own_hours else None,
        traceparent=traceparent,
    )
