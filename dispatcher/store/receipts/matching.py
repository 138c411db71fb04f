"""Statements that match waiting receipts to their messages, in batches and in whatever order they came."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.delivery.provider import ReceiptReport
from dispatcher.domain.messages.parts import PartsTaken
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.receipts.receipt import PartReceipt, ReceiptTarget
from dispatcher.store.message_lookup import LOOKED_UP
from dispatcher.store.status_literals import is_allowed
from dispatcher.store.transitions import EVENTS, RETURNED
from dispatcher.store.waits import NONE, begin

DEFAULT_REASON = "reported by a receipt"
"""The reason of a transition when the receipt gives none."""


class ReceivedReceipt(NamedTuple):
    """A receipt as it arrives: the name of the provider, and its report."""

    provider: str
    report: ReceiptReport


@dataclass(frozen=True, slots=True)
class WaitingReceipt:
    """A receipt that is not settled yet, locked."""

    id: int
    provider: str
    report: ReceiptReport
    received_at: datetime
    tries: int


@dataclass(frozen=True, slots=True)
class Match:
    """
    The message of a receipt, and the reference by which it was found, as it is stored.

    `attempt` and `ref` are None when it was found by our own reference. Then
    `other_id` is the message that has the provider's reference; None if none has.
    """

    message_id: int
    attempt: int | None
    ref: str | None = None
    other_id: int | None = None


@dataclass(frozen=True, slots=True)
class MatchStep:
    """One transition of a message by a receipt."""

    message_id: int
    status: Status
    provider: str
    reason: str
    wake_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReceiptResult:
    """
    The result for a receipt. With the verdict `new`, `wake_at` is when it is matched again.

    `remark` is what was odd about it, "" if nothing was.
    """

    verdict: str
    message_id: int | None
    wake_at: datetime | None
    remark: str = ""


_PICK = text("""
SELECT id, provider, ref, reference, status, reason, opted_out, received_at, tries, remark FROM receipts
WHERE wake_at IS NOT NULL AND wake_at <= :now
ORDER BY wake_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")

# The messages of the receipts in `lookup_values`: by our reference if the message was tried, or else by the
# provider's. Providers give a reference again after some time, and write it in another case in receipts. So
# it belongs to the newest message whose time for receipts is not over, and rather to one that has it in the
# same case. OFFSET and LIMIT make a look-up for each receipt: a join of lists would depend on the statistics
# of the moment.
MATCHED = f"""
matched AS MATERIALIZED (
    SELECT t.n, coalesce(m.id, s.message_id) AS message_id,
           CASE WHEN m.id IS NULL OR m.id = s.message_id THEN s.attempt END AS attempt,
           CASE WHEN m.id IS NULL OR m.id = s.message_id THEN s.ref END AS ref,
           CASE WHEN m.id <> s.message_id THEN s.message_id END AS other_id
    FROM unnest(CAST(:providers AS text[]), CAST(:refs AS text[]), CAST(:references AS uuid[]))
         WITH ORDINALITY AS t(provider, ref, reference, n)
    LEFT JOIN LATERAL (
        SELECT m.id FROM {LOOKED_UP} WHERE k.public_id = t.reference AND m.attempt > 0 OFFSET 0
    ) m ON true
    LEFT JOIN LATERAL (
        SELECT message_id, attempt, ref FROM provider_references
        WHERE provider = t.provider AND lower(ref) = lower(t.ref)
        ORDER BY coalesce(message_id = m.id, false) DESC, at > :alive_since DESC, ref = t.ref DESC, at DESC,
                 message_id DESC, attempt DESC
        LIMIT 1
    ) s ON true
    WHERE coalesce(m.id, s.message_id) IS NOT NULL
)
"""

_LOCK = text(f"""
WITH {MATCHED},
locked AS MATERIALIZED (
    SELECT m.id, m.status, m.place, m.attempt, m.doubts, CAST(m.parts_taken AS text) AS parts_taken
    FROM messages m
    WHERE m.id = ANY(ARRAY(SELECT message_id FROM matched)) ORDER BY m.id FOR UPDATE
)
SELECT t.n, t.attempt AS of_attempt, t.ref AS of_ref, t.other_id, l.id, l.status, l.place, l.attempt,
       l.doubts, l.parts_taken
FROM matched t JOIN locked l ON l.id = t.message_id
""")

_PARTS = text("""
SELECT message_id, part, attempt, provider, ref, status FROM provider_references
WHERE message_id = ANY(CAST(:ids AS bigint[]))
""")

# The provider is spelled so that no index of it fits: the rows are found by their message.
_SET_PART_STATUSES = text("""
UPDATE provider_references s SET status = g.status
FROM unnest(CAST(:ids AS bigint[]), CAST(:providers AS text[]), CAST(:refs AS text[]),
            CAST(:statuses AS smallint[])) AS g(message_id, provider, ref, status)
WHERE s.message_id = g.message_id AND coalesce(s.provider, '') = g.provider AND s.ref = g.ref
  AND s.message_id = ANY(CAST(:ids AS bigint[]))
""")

# What a receipt changes of its message; g has the new values.
MOVE = f"""
    SET status = g.status, place = NULL, wake_at = g.wake_at, provider = g.provider, reason = g.reason,
        seq = m.seq + 1, moved_at = greatest(m.moved_at, :now), {begin(NONE, since=NONE)}
"""

_STEP = text(f"""
WITH moved AS (
    UPDATE messages m {MOVE}
    FROM unnest(
        CAST(:ids AS bigint[]), CAST(:statuses AS smallint[]), CAST(:providers AS text[]),
        CAST(:reasons AS text[]), CAST(:wakes AS timestamptz[])
    ) AS g(id, status, provider, reason, wake_at)
    WHERE m.id = g.id AND m.id = ANY(CAST(:ids AS bigint[])) AND {is_allowed("m.status", "g.status")}
    RETURNING {RETURNED}
),
{EVENTS}
SELECT count(*) FROM moved
""")

_SETTLE = text("""
UPDATE receipts r
SET verdict = g.verdict, message_id = g.message_id, wake_at = g.wake_at, tries = r.tries + 1,
    remark = g.remark
FROM unnest(
    CAST(:ids AS bigint[]), CAST(:verdicts AS text[]), CAST(:message_ids AS bigint[]),
    CAST(:wakes AS timestamptz[]), CAST(:remarks AS text[])
) AS g(id, verdict, message_id, wake_at, remark)
WHERE r.id = g.id AND r.id = ANY(CAST(:ids AS bigint[]))
""")


async def pick(connection: AsyncConnection, *, now: datetime, limit: int) -> list[WaitingReceipt]:
    """Lock and return receipts that are due to be matched, oldest first; locked ones are skipped."""
    rows = await connection.execute(_PICK, {"now": now, "limit": limit})
    return [WaitingReceipt(row.id, row.provider, _report(row), row.received_at, row.tries) for row in rows]


async def lock(
    connection: AsyncConnection, received: Sequence[ReceivedReceipt], *, since: datetime
) -> tuple[dict[int, Match], dict[int, ReceiptTarget]]:
    """
    Lock the messages that receipts name; return the matches by receipt position, and the messages by id.

    The time for receipts is not over for messages that were sent after `since`.
    Parts are read by a later statement: while this one waits for a lock,
    another receipt may report a part.
    """
    rows = (await connection.execute(_LOCK, {**lookup_values(received), "alive_since": since})).all()
    parts: dict[int, list[PartReceipt]] = {row.id: [] for row in rows}
    if parts:
        for part in await connection.execute(_PARTS, {"ids": list(parts)}):
            status = None if part.status is None else Status(part.status)
            parts[part.message_id].append(
                PartReceipt(part.part, part.attempt, part.provider, part.ref, status)
            )
    matches = {row.n - 1: match_of(row) for row in rows}
    return matches, {row.id: target_of(row, tuple(parts[row.id])) for row in rows}


async def apply_steps(connection: AsyncConnection, steps: Sequence[MatchStep], *, now: datetime) -> None:
    """Make transitions of locked messages, each with its event, at most one for each message."""
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


async def set_part_statuses(
    connection: AsyncConnection, statuses: dict[tuple[int, str, str], Status]
) -> None:
    """Write the status of each part, by message, provider and reference."""
    await connection.execute(
        _SET_PART_STATUSES,
        {
            "ids": [message_id for message_id, _, _ in statuses],
            "providers": [provider for _, provider, _ in statuses],
            "refs": [ref for _, _, ref in statuses],
            "statuses": [int(status) for status in statuses.values()],
        },
    )


async def settle(connection: AsyncConnection, results: Sequence[tuple[int, ReceiptResult]]) -> None:
    """Write the results of stored receipts, by their ids."""
    await connection.execute(
        _SETTLE,
        {
            "ids": [receipt_id for receipt_id, _ in results],
            "verdicts": [end.verdict for _, end in results],
            "message_ids": [end.message_id for _, end in results],
            "wakes": [end.wake_at for _, end in results],
            "remarks": [end.remark for _, end in results],
        },
    )


def lookup_values(received: Sequence[ReceivedReceipt]) -> dict[str, object]:
    """Return the references by which these receipts name their messages, as parameters of `MATCHED`."""
    return {
        "providers": [provider for provider, _ in received],
        "refs": [report.ref for _, report in received],
        "references": [_uuid(report.reference) for _, report in received],
    }


def match_of(row: Row[tuple[object, ...]]) -> Match:
    """Return the match from a row of `matched`."""
    return Match(row.id, row.of_attempt, row.of_ref, row.other_id)


def target_of(row: Row[tuple[object, ...]], parts: tuple[PartReceipt, ...]) -> ReceiptTarget:
    """Return the state of a message from its row."""
    place = Place(row.place) if row.place else None
    taken = PartsTaken.read(row.parts_taken) if row.parts_taken else None
    return ReceiptTarget(Status(row.status), place, row.attempt, row.doubts, parts, taken)


def _report(row: Row[tuple[object, ...]]) -> ReceiptReport:
    status = None if row.status is None else Status(row.status)
    reference = str(row.reference) if row.reference else None
    return ReceiptReport(row.ref, reference, status, row.reason, row.opted_out, row.remark)


def _uuid(reference: str | None) -> UUID | None:
    try:
        return UUID(reference) if reference else None
    except ValueError:
        return None
