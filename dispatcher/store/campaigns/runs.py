"""Runs of campaigns, their progress and their pauses. A run is open while it is expanding or sending."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.campaigns.campaign import CampaignState, RunState
from dispatcher.domain.tier import Tier
from dispatcher.store.parts_taken import MAY_BE_OUT


@dataclass(frozen=True, slots=True)
class Run:
    """
    One run of a campaign.

    `position` counts the recipients that were expanded: those with a message
    to be sent, and those left out, whose message was refused at accept.
    `pauses` are the times, each from its start up to its end, in which pacing
    stands still. For each group of zones, `zone_ranks` counts the expanded
    recipients and `zone_positions` is the position of the last one in the
    audience. `charged` is in credits, without refunds. `shift` is how far the
    windows of waiting messages have yet to be moved.
    """

    id: int
    campaign_id: int
    due_at: datetime
    starts_at: datetime
    pauses: tuple[tuple[datetime, datetime], ...]
    state: RunState
    reason: str
    position: int
    zone_ranks: Sequence[int]
    zone_positions: Sequence[int]
    total: int
    messages: int
    left_out: int
    charged: int
    shift: timedelta | None
    shifted: int
    created_at: datetime
    expanded_at: datetime | None
    finished_at: datetime | None
    batch_id: int | None  # None for a run that was missed
    batch_public_id: UUID | None


@dataclass(frozen=True, slots=True)
class OpenRun:
    """An open run, with the reasons that can keep it from continuing."""

    id: int
    campaign_id: int
    state: RunState
    campaign: CampaignState
    account_paused: bool
    is_shifting: bool
    has_late_messages: bool
    account_id: int
    tier: Tier


@dataclass(frozen=True, slots=True)
class RunProgress:
    """What one chunk of recipients adds to the counts of a run."""

    zone_ranks: Sequence[int]
    zone_positions: Sequence[int]
    messages: int
    left_out: int
    charged: int


OPEN = "r.state IN ('expanding', 'sending')"
"""The condition that a run, called r, is not over."""

_COLUMNS = """
r.id, r.campaign_id, r.due_at, r.starts_at, r.pauses, r.state, r.reason, r.position, r.zone_ranks,
r.zone_positions, r.total, r.messages, r.left_out, r.charged, r.shift, r.shifted, r.created_at,
r.expanded_at, r.finished_at, b.id AS batch_id, b.public_id AS batch_public_id
"""

_INSERT = text("""
INSERT INTO runs (campaign_id, due_at, starts_at, state, reason, zone_ranks, zone_positions, total,
                  created_at, finished_at)
VALUES (:campaign_id, :due_at, :starts_at, :state, :reason, array_fill(0, ARRAY[CAST(:groups AS integer)]),
        array_fill(0, ARRAY[CAST(:groups AS integer)]), :total, :now, :finished_at)
ON CONFLICT (campaign_id, due_at) DO NOTHING RETURNING id
""")
_OF_CAMPAIGN = text(f"""
SELECT {_COLUMNS} FROM runs r LEFT JOIN batches b ON b.run_id = r.id
WHERE r.campaign_id = :campaign_id AND (CAST(:before AS timestamptz) IS NULL OR r.due_at < :before)
ORDER BY r.campaign_id, r.due_at DESC LIMIT :limit
""")
_LIST_OPEN = text(f"""
SELECT r.id, r.campaign_id, r.state, c.state AS campaign, a.paused_at IS NOT NULL AS account_paused, c.tier,
       r.shift IS NOT NULL AS is_shifting, r.late_messages <> '{{}}' AS has_late_messages, c.account_id
FROM runs r JOIN campaigns c ON c.id = r.campaign_id JOIN accounts a ON a.id = c.account_id
WHERE {OPEN} ORDER BY r.id
""")
_LOCK = text(f"""
SELECT {_COLUMNS} FROM runs r JOIN batches b ON b.run_id = r.id
WHERE r.id = :id AND {OPEN} FOR UPDATE OF r SKIP LOCKED
""")
_LOCK_OPEN = text(f"""
SELECT {_COLUMNS} FROM runs r JOIN batches b ON b.run_id = r.id
WHERE r.campaign_id = :campaign_id AND {OPEN} ORDER BY r.id FOR UPDATE OF r
""")
_ADVANCE = text("""
UPDATE runs r
SET zone_ranks = CAST(:zone_ranks AS integer[]), zone_positions = CAST(:zone_positions AS integer[]),
    position = r.position + :messages + :left_out, messages = r.messages + :messages,
    left_out = r.left_out + :left_out, charged = r.charged + :charged, reason = ''
WHERE r.id = :id
""")
_MARK_EXPANDED = text("""
UPDATE runs SET state = 'sending', reason = :reason, expanded_at = :now WHERE id = :id AND state = 'expanding'
""")
_SET_REASON = text("UPDATE runs SET reason = :reason WHERE id = :id")
_HAS_OPEN = "EXISTS (SELECT 1 FROM messages m WHERE m.flow = r.id AND m.flow <> 0 AND m.place IS NOT NULL)"
_FINISH = text(f"""
UPDATE runs r
SET state = CASE WHEN r.position < r.total THEN 'stopped' ELSE 'finished' END, finished_at = :now
FROM campaigns c
WHERE c.id = r.campaign_id AND c.state <> 'cancelled' AND r.id = ANY(CAST(:ids AS bigint[]))
  AND r.state = 'sending' AND NOT {_HAS_OPEN}
RETURNING r.campaign_id
""")
# A message that may be out cannot be withdrawn, and ends by itself.
_CANCELLED = text(f"""
WITH over AS (
    UPDATE runs r SET state = 'cancelled', finished_at = :now
    WHERE r.id = :id AND NOT EXISTS (
        SELECT 1 FROM messages m
        WHERE m.flow = r.id AND m.flow <> 0 AND m.place IS NOT NULL
          AND (m.place = 'worker' OR NOT {MAY_BE_OUT})
    )
    RETURNING r.id
)
UPDATE batches b SET paused = false FROM over WHERE b.run_id = over.id
""")


async def insert(
    connection: AsyncConnection,
    campaign_id: int,
    *,
    due_at: datetime,
    starts_at: datetime,
    groups: int,
    total: int,
    now: datetime,
    missed: str = "",
) -> int | None:
    """
    Write a run and return its id, or None if the campaign has a run at that time.

    `missed` is the reason of a run that was missed, which is over at once.
    """
    values = {
        "campaign_id": campaign_id,
        "due_at": due_at,
        "starts_at": starts_at,
        "state": (RunState.CANCELLED if missed else RunState.EXPANDING).value,
        "reason": missed,
        "groups": groups,
        "total": total,
        "now": now,
        "finished_at": now if missed else None,
    }
    new_id = await connection.scalar(_INSERT, values)
    return None if new_id is None else int(new_id)


async def of_campaign(
    connection: AsyncConnection, campaign_id: int, *, before: datetime | None, limit: int
) -> list[Run]:
    """Return the runs of a campaign that were due before `before`, the latest first."""
    values = {"campaign_id": campaign_id, "before": before, "limit": limit}
    return [_run(row) for row in await connection.execute(_OF_CAMPAIGN, values)]


async def list_open(connection: AsyncConnection) -> list[OpenRun]:
    """Return all open runs."""
    return [
        OpenRun(
            row.id,
            row.campaign_id,
            RunState(row.state),
            CampaignState(row.campaign),
            row.account_paused,
            row.is_shifting,
            row.has_late_messages,
            row.account_id,
            Tier(row.tier),
        )
        for row in await connection.execute(_LIST_OPEN)
    ]


async def lock(connection: AsyncConnection, run_id: int) -> Run | None:
    """Lock an open run and return it, or None if another process has locked it or it is over."""
    row = (await connection.execute(_LOCK, {"id": run_id})).one_or_none()
    return None if row is None else _run(row)


async def lock_open(connection: AsyncConnection, campaign_id: int) -> list[Run]:
    """Lock the open runs of a campaign and return them; waits until no chunk of them is being expanded."""
    return [_run(row) for row in await connection.execute(_LOCK_OPEN, {"campaign_id": campaign_id})]


async def advance(connection: AsyncConnection, run_id: int, progress: RunProgress) -> None:
    """Add a chunk to the counts of a locked run."""
    values = {
        "id": run_id,
        "zone_ranks": list(progress.zone_ranks),
        "zone_positions": list(progress.zone_positions),
        "messages": progress.messages,
        "left_out": progress.left_out,
        "charged": progress.charged,
    }
    await connection.execute(_ADVANCE, values)


async def mark_expanded(connection: AsyncConnection, run_id: int, *, now: datetime, reason: str = "") -> None:
    """Mark a locked run as expanded; `reason` says why, unless all recipients were expanded."""
    await connection.execute(_MARK_EXPANDED, {"id": run_id, "now": now, "reason": reason})


async def set_reason(connection: AsyncConnection, run_id: int, reason: str) -> None:
    """Write the reason why a run does not continue."""
    await connection.execute(_SET_REASON, {"id": run_id, "reason": reason})


async def finish(connection: AsyncConnection, run_ids: Sequence[int], *, now: datetime) -> list[int]:
    """Finish those of these runs that have no open messages, and return the ids of their campaigns."""
    rows = await connection.execute(_FINISH, {"ids": list(run_ids), "now": now})
    return [row.campaign_id for row in rows]


async def finish_cancelled(connection: AsyncConnection, run_id: int, *, now: datetime) -> None:
    """Finish a run of a cancelled campaign when none of its messages can be withdrawn any more."""
    await connection.execute(_CANCELLED, {"id": run_id, "now": now})


def _run(row: Row[Any]) -> Run:
    values = dict(row._mapping)
    pauses = tuple(zip(row.pauses[::2], row.pauses[1::2], strict=True))
    return Run(**values | {"state": RunState(row.state), "pauses": pauses})
