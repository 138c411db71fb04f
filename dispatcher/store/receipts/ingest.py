"""
Receipts as they come in: one statement finds their messages, another stores them and makes the transitions.

Between the two nothing is locked: `seq` shows whether a message has changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.receipts.receipt import PartReceipt, ReceiptTarget
from dispatcher.store.receipts.matching import (
    DEFAULT_REASON,
    MATCHED,
    MOVE,
    Match,
    ReceiptResult,
    ReceivedReceipt,
    lookup_values,
    match_of,
    target_of,
)
from dispatcher.store.status_literals import is_allowed
from dispatcher.store.transitions import EVENTS, RETURNED


@dataclass(frozen=True, slots=True)
class ReceiptLookup:
    """A message as it was found, and its `seq` at that time."""

    match: Match
    current: ReceiptTarget
    seq: int


_FIND = text(f"""
WITH {MATCHED}
SELECT t.n, t.attempt AS of_attempt, t.ref AS of_ref, t.other_id, m.id, m.seq, m.status, m.place,
       m.attempt, m.doubts, NULL AS parts_taken, p.parts, p.part, p.part_attempt, p.provider, p.ref
FROM matched t
JOIN messages m ON m.id = t.message_id AND m.id = ANY(ARRAY(SELECT message_id FROM matched))
CROSS JOIN LATERAL (
    SELECT count(*) AS parts, min(part) AS part, min(attempt) AS part_attempt, min(provider) AS provider,
           min(ref) AS ref
    FROM provider_references WHERE message_id = m.id
) p
WHERE p.parts <= 1 AND m.parts_taken IS NULL
""")

# A receipt with a `seq` gives its message the status that it reports. A message that has changed since, or is
# locked, stays as it is, and all its receipts are left to be matched later.
_STORE = text(f"""
WITH received AS MATERIALIZED (
    SELECT * FROM unnest(
        CAST(:providers AS text[]), CAST(:refs AS text[]), CAST(:references AS uuid[]),
        CAST(:statuses AS smallint[]), CAST(:reasons AS text[]), CAST(:verdicts AS text[]),
        CAST(:message_ids AS bigint[]), CAST(:seqs AS integer[]), CAST(:opted_outs AS boolean[]),
        CAST(:remarks AS text[])
    ) AS t(provider, ref, reference, status, reason, verdict, message_id, seq, opted_out, remark)
),
moved AS (
    UPDATE messages m {MOVE}
    FROM (
        SELECT m.id, t.status, t.provider, coalesce(nullif(t.reason, ''), '{DEFAULT_REASON}') AS reason,
               CAST(NULL AS timestamptz) AS wake_at
        FROM messages m JOIN received t ON t.message_id = m.id AND t.seq = m.seq
        WHERE m.id = ANY(CAST(:message_ids AS bigint[])) AND {is_allowed("m.status", "t.status")}
        ORDER BY m.id FOR UPDATE OF m SKIP LOCKED
    ) g
    WHERE m.id = g.id
    RETURNING {RETURNED}
),
{EVENTS},
kept AS MATERIALIZED (
    SELECT *, verdict = 'new' OR message_id IN (
        SELECT message_id FROM received WHERE seq IS NOT NULL EXCEPT SELECT id FROM moved
    ) AS is_left
    FROM received
),
written AS (
    INSERT INTO receipts (provider, ref, reference, status, reason, opted_out, remark, received_at, verdict,
                          message_id, wake_at)
    SELECT provider, ref, reference, status, reason, opted_out, remark, :now,
           CASE WHEN is_left THEN 'new' ELSE verdict END,
           CASE WHEN NOT is_left THEN message_id END, CASE WHEN is_left THEN :now END
    FROM kept
)
SELECT count(*) FROM kept WHERE is_left
""")


async def find(
    connection: AsyncConnection, received: Sequence[ReceivedReceipt], *, since: datetime
) -> dict[int, ReceiptLookup]:
    """
    Return the messages that receipts name, by the position of the receipt; nothing is locked.

    A receipt names its message by our reference if the message was tried, or by
    the provider's; see `MATCHED` for `since`. Messages with more than one part, or
    whose provider took their parts in several attempts, are left out, because
    a receipt for one part does not change their `seq`.
    """
    seen: dict[int, ReceiptLookup] = {}
    for row in await connection.execute(_FIND, {**lookup_values(received), "alive_since": since}):
        parts = (PartReceipt(row.part, row.part_attempt, row.provider, row.ref, None),) if row.parts else ()
        seen[row.n - 1] = ReceiptLookup(match_of(row), target_of(row, parts), row.seq)
    return seen


async def store(
    connection: AsyncConnection,
    received: Sequence[ReceivedReceipt],
    results: Sequence[ReceiptResult],
    seqs: Sequence[int | None],
    *,
    now: datetime,
) -> int:
    """
    Store receipts, each with its result; return how many are left to be matched.

    A receipt with a `seq` changes the status of its message, if the message
    still has that `seq` and the table allows the transition. Otherwise the
    receipts of this message are left to be matched.
    """
    reports = [report for _, report in received]
    left = await connection.scalar(
        _STORE,
        {
            **lookup_values(received),
            "statuses": [None if r.status is None else int(r.status) for r in reports],
            "reasons": [r.reason for r in reports],
            "verdicts": [end.verdict for end in results],
            "message_ids": [end.message_id for end in results],
            "seqs": list(seqs),
            "opted_outs": [r.opted_out for r in reports],
            "remarks": [end.remark or r.remark for end, r in zip(results, reports, strict=True)],
            "now": now,
        },
    )
    return int(left or 0)
