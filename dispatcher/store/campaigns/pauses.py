"""Pauses of a campaign's open runs: their messages leave the lanes, and later their windows move."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.messages.waits import WaitKind
from dispatcher.store.campaigns.runs import OPEN
from dispatcher.store.waits import begin as begin_wait
from dispatcher.store.waits import kind_of

_BEGIN = text(f"""
UPDATE batches b SET paused = true FROM runs r
WHERE r.id = b.run_id AND r.campaign_id = :campaign_id AND {OPEN}
""")
# A worker can no longer claim a message that it has read: the message has left its lane.
_RETURN_TO_READY = text(f"""
UPDATE messages m SET place = 'ready', wake_at = NULL, {begin_wait(kind_of(WaitKind.ROOM))}
FROM (
    SELECT m.id FROM messages m
    WHERE m.place = 'lane'
      AND m.flow IN (SELECT r.id FROM runs r WHERE r.campaign_id = :campaign_id AND {OPEN})
    ORDER BY m.id FOR UPDATE SKIP LOCKED
) p
WHERE m.id = p.id
""")
_END = text("UPDATE batches SET paused = false WHERE run_id = :id")
_ADD = text(f"""
UPDATE runs r
SET pauses = r.pauses || ARRAY[CAST(:since AS timestamptz), CAST(:until AS timestamptz)], shifted = 0,
    shift = greatest(CAST(:until AS timestamptz) - greatest(:since, r.starts_at), interval '0')
WHERE r.campaign_id = :campaign_id AND {OPEN}
""")
_RECORD_SHIFT = text("UPDATE runs SET shift = CAST(:shift AS interval), shifted = :shifted WHERE id = :id")


async def begin(connection: AsyncConnection, campaign_id: int, *, now: datetime) -> None:
    """Pause the open runs of a campaign, and move their messages from lanes back to `ready`."""
    await connection.execute(_BEGIN, {"campaign_id": campaign_id})
    await connection.execute(_RETURN_TO_READY, {"campaign_id": campaign_id, "now": now})


async def add(connection: AsyncConnection, campaign_id: int, *, since: datetime, until: datetime) -> None:
    """Add a pause to the open runs of a campaign, and set by how much their windows must be shifted."""
    await connection.execute(_ADD, {"campaign_id": campaign_id, "since": since, "until": until})


async def record_shift(
    connection: AsyncConnection, run_id: int, *, left: timedelta | None, last: int
) -> None:
    """Write up to which message of a locked run windows were shifted; `left` None means that all were."""
    await connection.execute(_RECORD_SHIFT, {"id": run_id, "shift": left, "shifted": last})


async def end(connection: AsyncConnection, run_id: int) -> None:
    """End the pause of the batch of a run: its messages are sent again."""
    await connection.execute(_END, {"id": run_id})
