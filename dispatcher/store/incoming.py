"""
Receipts as they come: looked up, decided on and kept in two statements.

No lock outlasts a statement: `seq` tells whether a message still is as it was
seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.receipt import Current, Part
from dispatcher.store.moves import EVENTS, RETURNED
from dispatcher.store.receipts import MATCHED, MOVE, TOLD, End, Match, Receipt, current_of, names
from dispatcher.store.status_literals import is_allowed


@dataclass(frozen=True, slots=True)
class Seen:
    """A message as it stood when its `seq` was this."""

    match: Match
    current: Current
    seq: int


_GLANCE = text(f"""
WITH {MATCHED}
SELECT t.n, t.attempt AS of_attempt, m.id, m.seq, m.status, m.place, m.attempt, m.doubts,
       p.parts, p.part_attempt, p.provider, p.ref
FROM matched t
JOIN messages m ON m.id = t.message_id AND m.id = ANY(ARRAY(SELECT message_id FROM matched))
CROSS JOIN LATERAL (
    SELECT count(*) AS parts, min(attempt) AS part_attempt, min(provider) AS provider, min(ref) AS ref
    FROM provider_references WHERE message_id = m.id
) p
WHERE p.parts <= 1
""")

# With a `seq` a receipt moves its message to what it says. A message that is not as it was seen then, or is
# locked, stays, and all that was told of it is left to `match`.
_KEEP = text(f"""
WITH told AS MATERIALIZED (
    SELECT * FROM unnest(
        CAST(:providers AS text[]), CAST(:refs AS text[]), CAST(:references AS uuid[]),
        CAST(:statuses AS smallint[]), CAST(:reasons AS text[]), CAST(:verdicts AS text[]),
        CAST(:message_ids AS bigint[]), CAST(:seqs AS integer[]), CAST(:opted_outs AS boolean[])
    ) AS t(provider, ref, reference, status, reason, verdict, message_id, seq, opted_out)
),
moved AS (
    UPDATE messages m {MOVE}
    FROM (
        SELECT m.id, t.status, t.provider, coalesce(nullif(t.reason, ''), '{TOLD}') AS reason,
               CAST(NULL AS timestamptz) AS wake_at
        FROM messages m JOIN told t ON t.message_id = m.id AND t.seq = m.seq
        WHERE m.id = ANY(CAST(:message_ids AS bigint[])) AND {is_allowed("m.status", "t.status")}
        ORDER BY m.id FOR UPDATE OF m SKIP LOCKED
    ) g
    WHERE m.id = g.id
    RETURNING {RETURNED}
),
{EVENTS},
kept AS MATERIALIZED (
    SELECT *, verdict = 'new' OR message_id IN (
        SELECT message_id FROM told WHERE seq IS NOT NULL EXCEPT SELECT id FROM moved
    ) AS is_left
    FROM told
),
written AS (
    INSERT INTO receipts (provider, ref, reference, status, reason, opted_out, received_at, verdict,
                          message_id, wake_at)
    SELECT provider, ref, reference, status, reason, opted_out, :now,
           CASE WHEN is_left THEN 'new' ELSE verdict END,
           CASE WHEN NOT is_left THEN message_id END, CASE WHEN is_left THEN :now END
    FROM kept
)
SELECT count(*) FROM kept WHERE is_left
""")


async def glance(connection: AsyncConnection, told: Sequence[Receipt]) -> dict[int, Seen]:
    """
    Find the messages of receipts, by their position, and how they stand; nothing is locked.

    By the provider's reference, else by ours if it was ever tried. Those with
    more than one part are left out: a part that is told of leaves their `seq`.
    """
    seen: dict[int, Seen] = {}
    for row in await connection.execute(_GLANCE, names(told)):
        parts = (Part(row.part_attempt, row.provider, row.ref, None),) if row.parts else ()
        seen[row.n - 1] = Seen(Match(row.id, row.of_attempt), current_of(row, parts), row.seq)
    return seen


async def keep(
    connection: AsyncConnection,
    told: Sequence[Receipt],
    ends: Sequence[End],
    seqs: Sequence[int | None],
    *,
    now: datetime,
) -> int:
    """
    Keep what was told, with what becomes of it; one with a `seq` moves its message from there.

    Of a message that is not there any more, nothing has become yet. Gives how
    many are left to be matched.
    """
    reports = [report for _, report in told]
    left = await connection.scalar(
        _KEEP,
        {
            **names(told),
            "statuses": [None if r.status is None else int(r.status) for r in reports],
            "reasons": [r.reason for r in reports],
            "verdicts": [end.verdict for end in ends],
            "message_ids": [end.message_id for end in ends],
            "seqs": list(seqs),
            "opted_outs": [r.opted_out for r in reports],
            "now": now,
        },
    )
    return int(left or 0)
