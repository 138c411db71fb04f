"""Polls of providers for receipts: the references that are due, and when each is polled again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.messages.status import AWAITING_RECEIPT
from dispatcher.store.status_literals import code_list


@dataclass(frozen=True, slots=True)
class PollSchedule:
    """Polls after `first`, then after as long as it took so far, at most `longest`, until `patience` ends."""

    first: timedelta
    longest: timedelta
    patience: timedelta


@dataclass(frozen=True, slots=True)
class DuePolls:
    """The references to be polled now, and how many were checked: the others need no receipt any more."""

    refs: tuple[str, ...]
    looked_at: int


# Taking a reference also sets its next poll, so that no other process polls it at the same time, and a
# process that dies has only lost one poll.
_TAKE = text(f"""
WITH picked AS MATERIALIZED (
    SELECT message_id, attempt, part FROM provider_references
    WHERE provider = :provider AND wake_at IS NOT NULL AND wake_at <= :now
    ORDER BY wake_at LIMIT :limit FOR UPDATE SKIP LOCKED
),
due AS MATERIALIZED (
    SELECT p.*, m.status FROM picked p
    JOIN messages m ON m.id = p.message_id AND m.id = ANY(ARRAY(SELECT message_id FROM picked))
)
UPDATE provider_references s
SET wake_at = CASE
    WHEN d.status IN ({code_list(AWAITING_RECEIPT)}) AND s.status IS NULL
         AND s.at + CAST(:patience AS interval) > :now
    THEN :now + least(greatest(:now - s.at, CAST(:first AS interval)), CAST(:longest AS interval))
END
FROM due d
WHERE s.message_id = d.message_id AND s.attempt = d.attempt AND s.part = d.part
  AND s.message_id = ANY(ARRAY(SELECT message_id FROM picked))
RETURNING s.ref, s.wake_at
""")


async def take(
    connection: AsyncConnection, *, provider: str, schedule: PollSchedule, now: datetime, limit: int
) -> DuePolls:
    """Take references of a provider that are due, the longest due first, and set when they are due again."""
    rows = await connection.execute(
        _TAKE,
        {
            "provider": provider,
            "first": schedule.first,
            "longest": schedule.longest,
            "patience": schedule.patience,
            "now": now,
            "limit": limit,
        },
    )
    taken = rows.all()
    return DuePolls(tuple(row.ref for row in taken if row.wake_at is not None), len(taken))
