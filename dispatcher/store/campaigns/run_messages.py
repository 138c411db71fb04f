"""The messages of one run, which form a flow: those that wait, and counts by status."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.waits import WaitKind
from dispatcher.store.campaigns.runs import OpenRun
from dispatcher.store.message_lookup import OF_BATCHES
from dispatcher.store.parts_taken import MAY_BE_OUT
from dispatcher.store.waits import LAST_UNTIL, NONE, EndedWait, kept, kind_of


@dataclass(frozen=True, slots=True)
class StatusCount:
    """How many messages of a batch have a status, their segments still to be sent, and their cost."""

    batch_id: int
    status: Status
    messages: int
    segments: int
    charged: int


_OPEN = text("""
SELECT count(*) FROM (
    SELECT 1 FROM messages WHERE flow = :id AND flow <> 0 AND place IS NOT NULL LIMIT :most
) AS waiting
""")
# Whole rows are compared so that only the index of their place fits.
_DUE = text("""
SELECT (SELECT count(*) FROM (
    SELECT FROM messages m
    WHERE m.place = 'held'
      AND (m.account_id, m.flow, m.tier, m.wake_at) > (:account_id, :id, :tier, '-infinity')
      AND (m.account_id, m.flow, m.tier, m.wake_at) <= (:account_id, :id, :tier, :now)
    ORDER BY m.account_id, m.flow, m.tier, m.wake_at LIMIT :most
) AS held) + (SELECT count(*) FROM (
    SELECT FROM messages m
    WHERE m.place = 'ready' AND (m.tier, m.account_id, m.flow, m.id) > (:tier, :account_id, :id, 0)
      AND (m.tier, m.account_id, m.flow) <= (:tier, :account_id, :id)
    ORDER BY m.tier, m.account_id, m.flow, m.id LIMIT :most
) AS ready)
""")
# A message that was due before the end of the pause waited for it, since it was due, or since the end of the
# last wait that is kept: it may have been released or edited during the pause.
_BEFORE_PAUSE = EndedWait(until="t.paused_since")
_PAUSE = EndedWait(
    kind_of(WaitKind.CAMPAIGN),
    NONE,
    f"greatest(t.paused_since, m.not_before, {LAST_UNTIL})",
    "t.paused_until",
)

# Messages that fell due during a pause are held again until their new time. The window of a message that a
# worker holds stays.
_SHIFT = text(f"""
WITH picked AS MATERIALIZED (
    SELECT id FROM messages WHERE flow = :run_id AND flow <> 0 AND place IS NOT NULL AND id > :after
    ORDER BY flow, id LIMIT :limit FOR UPDATE
),
moved AS (
    UPDATE messages m
    SET not_before = m.not_before + t.shift, not_after = m.not_after + t.shift,
        place = CASE WHEN m.not_before + t.shift > :now THEN 'held' ELSE m.place END,
        wake_at = CASE WHEN m.place = 'held' THEN m.wake_at + t.shift
                       WHEN m.not_before + t.shift > :now THEN m.not_before + t.shift
                       ELSE m.wake_at END,
        waits = {kept(_BEFORE_PAUSE, _PAUSE)},
        wait_kind = CASE WHEN m.not_before + t.shift <= :now THEN m.wait_kind END,
        waits_for = CASE WHEN m.not_before + t.shift <= :now THEN m.waits_for END,
        wait_since = CASE WHEN m.not_before + t.shift > :now THEN m.not_before + t.shift
                          WHEN {_PAUSE.counts} THEN t.paused_until ELSE m.wait_since END
    FROM (
        SELECT CAST(:by AS interval) AS shift, r.pauses[cardinality(r.pauses) - 1] AS paused_since,
               r.pauses[cardinality(r.pauses)] AS paused_until
        FROM runs r WHERE r.id = :run_id
    ) t
    WHERE m.id = ANY(ARRAY(SELECT id FROM picked)) AND m.place <> 'worker'
)
SELECT count(*) AS n, coalesce(max(id), 0) AS last FROM picked
""")
_LOCK_WITHDRAWABLE = text(f"""
SELECT id FROM messages m
WHERE flow = :id AND flow <> 0 AND place IS NOT NULL AND place <> 'worker' AND NOT {MAY_BE_OUT}
ORDER BY flow, id LIMIT :limit FOR UPDATE
""")
_COUNTS = text(f"""
SELECT batch_id, status, count(*) AS n, sum(segments) FILTER (WHERE place IS NOT NULL) AS segments,
       sum(charged) AS charged
FROM messages WHERE id = ANY({OF_BATCHES}) GROUP BY batch_id, status
""")


async def count_open(connection: AsyncConnection, run_id: int, *, most: int) -> int:
    """Return how many messages of a run are open, up to `most`."""
    return int(await connection.scalar(_OPEN, {"id": run_id, "most": most}) or 0)


async def count_due(connection: AsyncConnection, run: OpenRun, *, now: datetime, most: int) -> int:
    """Return how many messages of a run are due and not in their lane yet, up to `most` of each place."""
    values = {"id": run.id, "account_id": run.account_id, "tier": run.tier.value, "now": now, "most": most}
    return int(await connection.scalar(_DUE, values) or 0)


async def shift_windows(
    connection: AsyncConnection, run_id: int, *, after: int, by: timedelta, now: datetime, limit: int
) -> tuple[int, int]:
    """
    Shift the windows of messages of a run that have ids above `after`; return how many, and the last id.

    Fewer than `limit` means that all are shifted.
    """
    values = {"run_id": run_id, "after": after, "by": by, "now": now, "limit": limit}
    row = (await connection.execute(_SHIFT, values)).one()
    return row.n, row.last


async def lock_withdrawable(connection: AsyncConnection, run_id: int, *, limit: int) -> list[int]:
    """Lock messages of a run that no worker holds and that are not in doubt, and return their ids."""
    rows = await connection.execute(_LOCK_WITHDRAWABLE, {"id": run_id, "limit": limit})
    return [row.id for row in rows]


async def count_by_status(connection: AsyncConnection, batch_ids: Sequence[int]) -> list[StatusCount]:
    """Return counts of the messages of these batches by status."""
    rows = await connection.execute(_COUNTS, {"ids": list(batch_ids)})
    return [StatusCount(r.batch_id, Status(r.status), r.n, r.segments or 0, r.charged or 0) for r in rows]
