"""What became of the recipients of a run: those with a message, and those who have none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.campaigns.campaign import RunState
from dispatcher.domain.messages.status import Status


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """
    A run at one moment.

    Its messages have ids up to `last_message`. The recipients beyond
    `zone_positions`, of each group of zones, had none; `is_complete` if there
    were no such recipients.
    """

    due_at: datetime
    state: RunState
    reason: str
    zone_positions: Sequence[int]
    is_complete: bool
    batch_id: int | None
    last_message: int


# NamedTuples because millions are created: a frozen dataclass takes twice as long.
class MessageResult(NamedTuple):
    """What became of the message to one recipient; `variables` are those of the audience."""

    id: int
    number: str
    number_as_given: str
    status: Status
    reason: str
    at: datetime
    segments: int
    charged: int
    provider: str | None
    public_id: UUID
    variables: Mapping[str, str]


# One statement, so that positions and messages are of the same moment.
_RUNS = text("""
SELECT r.due_at, r.state, r.reason, r.zone_positions, r.position >= r.total AS is_complete, b.id AS batch_id,
       coalesce((SELECT max(message_id) FROM message_lookup k WHERE k.batch_id = b.id), 0) AS last_message
FROM runs r LEFT JOIN batches b ON b.run_id = r.id
WHERE r.campaign_id = :campaign_id AND r.due_at > :after ORDER BY r.due_at LIMIT :limit
""")
_MESSAGES = text("""
WITH picked AS MATERIALIZED (
    SELECT message_id FROM message_lookup
    WHERE batch_id = :batch_id AND message_id > :after AND message_id <= :last
    ORDER BY batch_id, message_id LIMIT :limit
)
SELECT m.id, m.number, m.number_as_given, m.status, m.reason, m.moved_at, m.segments, m.charged, m.provider,
       m.public_id, coalesce(r.variables, '{}') AS variables
FROM (SELECT * FROM messages WHERE id = ANY(ARRAY(SELECT message_id FROM picked))) m
LEFT JOIN recipients r ON r.audience_id = :audience_id AND r.number = m.number
ORDER BY m.id
""")
_RECIPIENTS = text("""
SELECT position, number, number_as_given, variables FROM recipients
WHERE audience_id = :audience_id AND position > :after
  AND position > (CAST(:positions AS integer[]))[zone + 1]
ORDER BY audience_id, position LIMIT :limit
""")


class UnsentRecipient(NamedTuple):
    """A recipient without a message."""

    position: int
    number: str
    number_as_given: str
    variables: Mapping[str, str]


async def runs(
    connection: AsyncConnection, campaign_id: int, *, after: datetime, limit: int
) -> list[RunSnapshot]:
    """Return runs of a campaign that were due after `after`, the oldest first."""
    values = {"campaign_id": campaign_id, "after": after, "limit": limit}
    rows = await connection.execute(_RUNS, values)
    return [RunSnapshot(**{**row._mapping, "state": RunState(row.state)}) for row in rows]


async def messages(
    connection: AsyncConnection, run: RunSnapshot, *, audience_id: int, after: int, limit: int
) -> list[MessageResult]:
    """Return messages of a run with ids above `after`."""
    values: dict[str, Any] = {"batch_id": run.batch_id, "last": run.last_message, "audience_id": audience_id}
    rows = await connection.execute(_MESSAGES, values | {"after": after, "limit": limit})
    return [MessageResult(*row)._replace(status=Status(row.status)) for row in rows]


async def recipients_without_message(
    connection: AsyncConnection, run: RunSnapshot, *, audience_id: int, after: int, limit: int
) -> list[UnsentRecipient]:
    """Return recipients that had no message in a run, in the order of the file, after a position."""
    values = {"audience_id": audience_id, "positions": list(run.zone_positions)}
    rows = await connection.execute(_RECIPIENTS, values | {"after": after, "limit": limit})
    return [UnsentRecipient(*row) for row in rows]
