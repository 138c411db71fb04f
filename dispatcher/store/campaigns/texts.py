"""Another text for a campaign: the messages that it applies to, and the rows that it changes beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.messages.status import Status
from dispatcher.store.message_lookup import OF_BATCHES


@dataclass(frozen=True, slots=True)
class SelectedCampaign:
    """A campaign, and how many recipients of its selected runs have no message yet."""

    id: int
    without_message: int


@dataclass(frozen=True, slots=True)
class RestCount:
    """How many messages have a status, and the ids of those that are open."""

    status: Status
    messages: int
    open_ids: Sequence[int]


# The campaign of a batch is found only while the batch's run is open.
_SELECTED = text("""
SELECT c.id, (
    SELECT coalesce(sum(r.total - r.position), 0) FROM runs r LEFT JOIN batches b ON b.run_id = r.id
    WHERE r.campaign_id = c.id AND r.state = 'expanding'
      AND (CAST(:batch_id AS bigint) IS NULL OR b.id = :batch_id)
) AS without_message
FROM campaigns c
WHERE c.id = coalesce(CAST(:campaign_id AS bigint), (
    SELECT r.campaign_id FROM batches b JOIN runs r ON r.id = b.run_id
    WHERE b.id = :batch_id AND r.state IN ('expanding', 'sending')
))
""")
_SET_TEXT = text("UPDATE campaigns SET text = :text, template_id = NULL WHERE id = :id")
_ADD_CHARGED = text("UPDATE runs SET charged = charged + :amount WHERE id = :id")
_LATE = text("SELECT late_messages FROM runs WHERE id = :id")
_SET_LATE = text("UPDATE runs SET late_messages = CAST(:ids AS bigint[]) WHERE id = :id")
_ADD_LATE = text("""
UPDATE runs SET late_messages = ARRAY(SELECT DISTINCT unnest(late_messages || CAST(:ids AS bigint[])))
WHERE id = :id
""")
_LAST = text("SELECT coalesce(max(id), 0) FROM messages")
_WAITING = text("""
SELECT id FROM messages
WHERE flow = :id AND flow <> 0 AND place IS NOT NULL AND place <> 'worker' AND id > :after AND id <= :until
ORDER BY flow, id LIMIT :limit
""")
_OPEN = text("SELECT id FROM messages WHERE id = ANY(CAST(:ids AS bigint[])) AND place IS NOT NULL")
_REST = text(f"""
SELECT status, count(*) AS n, coalesce(array_agg(id) FILTER (WHERE place IS NOT NULL), '{{}}') AS open
FROM messages
WHERE id = ANY({OF_BATCHES}) AND id <= :until AND id <> ALL(CAST(:without AS bigint[])) GROUP BY status
""")


async def selected_campaign(
    connection: AsyncConnection, *, campaign_id: int | None, batch_id: int | None
) -> SelectedCampaign | None:
    """Return a campaign by its id, or the one of which a batch is an open run; None for any other batch."""
    values = {"campaign_id": campaign_id, "batch_id": batch_id}
    row = (await connection.execute(_SELECTED, values)).one_or_none()
    return None if row is None else SelectedCampaign(row.id, int(row.without_message))


async def set_text(connection: AsyncConnection, campaign_id: int, new_text: str) -> None:
    """Write another text of a locked campaign, which is no longer that of its template."""
    await connection.execute(_SET_TEXT, {"id": campaign_id, "text": new_text})


async def add_charged(connection: AsyncConnection, run_id: int, amount: int) -> None:
    """Add to the cost of a locked run; below zero its messages have become cheaper."""
    await connection.execute(_ADD_CHARGED, {"id": run_id, "amount": amount})


async def late_messages(connection: AsyncConnection, run_id: int) -> list[int]:
    """Return the messages of a run that get its new text if they come back from a worker unsent."""
    return list(await connection.scalar(_LATE, {"id": run_id}) or ())


async def add_late_messages(connection: AsyncConnection, run_id: int, ids: Sequence[int]) -> None:
    """Add messages of a run that get its new text if they come back unsent."""
    await connection.execute(_ADD_LATE, {"id": run_id, "ids": list(ids)})


async def set_late_messages(connection: AsyncConnection, run_id: int, ids: Sequence[int]) -> None:
    """Write all messages of a locked run that get its new text if they come back unsent."""
    await connection.execute(_SET_LATE, {"id": run_id, "ids": list(ids)})


async def last_id(connection: AsyncConnection) -> int:
    """Return the id of the newest message; while a run is locked, its later messages have greater ones."""
    return int(await connection.scalar(_LAST) or 0)


async def waiting_ids(
    connection: AsyncConnection, run_id: int, *, after: int, until: int, limit: int
) -> list[int]:
    """Return the ids above `after` and up to `until` of messages of a run that no worker holds, in order."""
    values = {"id": run_id, "after": after, "until": until, "limit": limit}
    return [row.id for row in await connection.execute(_WAITING, values)]


async def open_ids(connection: AsyncConnection, ids: Sequence[int]) -> list[int]:
    """Return those of these messages that were not sent and have not ended."""
    return [row.id for row in await connection.execute(_OPEN, {"ids": list(ids)})]


async def count_rest(
    connection: AsyncConnection, batch_id: int, *, until: int, without: Sequence[int]
) -> list[RestCount]:
    """Return counts by status of the messages of a batch with ids up to `until`, without those named."""
    values = {"ids": [batch_id], "until": until, "without": list(without)}
    rows = await connection.execute(_REST, values)
    return [RestCount(Status(row.status), row.n, row.open) for row in rows]
