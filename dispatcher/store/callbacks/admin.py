"""Callbacks as operators see them, and the replay of one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.callbacks.events import CallbackState
from dispatcher.store.messages.search import NEWEST
from dispatcher.store.messages.views import id_parameters


@dataclass(frozen=True, slots=True)
class CallbackFilter:
    """Conditions on callbacks; None sets no condition."""

    account_id: int | None = None
    message_id: int | None = None
    state: CallbackState | None = None


@dataclass(frozen=True, slots=True)
class FoundCallback:
    """
    A callback, of a message or of an inbound one.

    `public_id` is the id that its receiver knows; `answer` is the result of
    the last try.
    """

    id: int
    public_id: UUID
    account: str
    message_id: int | None
    message_public_id: UUID | None
    inbound_id: int | None
    seq: int
    dialect: str
    url: str
    webhook_id: str | None
    event: str
    state: CallbackState
    tries: int
    answer: str
    created_at: datetime
    wake_at: datetime | None
    ended_at: datetime | None


_SELECT = """
SELECT c.id, c.public_id, a.name AS account, c.message_id, m.public_id AS message_public_id, c.inbound_id,
       c.seq, c.dialect, c.url, c.webhook_id, c.event, c.state, c.tries, c.answer, c.created_at, c.wake_at,
       c.ended_at
FROM picked c JOIN accounts a ON a.id = c.account_id LEFT JOIN messages m ON m.id = c.message_id
ORDER BY c.id DESC
"""

# A message has few callbacks, so they are found by its index, even if the planner would walk by id.
_OF_MESSAGE = text(f"""
WITH of_message AS MATERIALIZED (SELECT * FROM callbacks WHERE message_id = :message_id AND id < :before),
picked AS MATERIALIZED (
    SELECT * FROM of_message
    WHERE (CAST(:account_id AS bigint) IS NULL OR account_id = :account_id)
      AND (CAST(:state AS text) IS NULL OR state = :state)
    ORDER BY id DESC LIMIT :limit
)
{_SELECT}
""")

_WALKED = "SELECT * FROM callbacks WHERE id < :before{own} ORDER BY id DESC LIMIT :walk"
_OWN = " AND account_id = :account_id"
_STOP = "SELECT id FROM callbacks WHERE id < :before{own} ORDER BY id DESC OFFSET :walk LIMIT 1"
_WALK = """
WITH picked AS MATERIALIZED (
    SELECT * FROM ({walked}) AS walked
    WHERE CAST(:state AS text) IS NULL OR state = :state ORDER BY id DESC LIMIT :limit
)
{select}
"""
_ALL = text(_WALK.format(walked=_WALKED.format(own=""), select=_SELECT))
_OF_ACCOUNT = text(_WALK.format(walked=_WALKED.format(own=_OWN), select=_SELECT))
_STOP_ALL, _STOP_OF_ACCOUNT = text(_STOP.format(own="")), text(_STOP.format(own=_OWN))

_REPLAY = text(f"""
WITH picked AS (
    UPDATE callbacks SET state = 'waiting', wake_at = :now, tries = 0, ended_at = NULL, replayed_at = :now
    WHERE id = CAST(:id AS bigint) OR public_id = CAST(:public_id AS uuid)
    RETURNING *
)
{_SELECT}
""")


async def page(
    connection: AsyncConnection, wanted: CallbackFilter, *, before: int | None, limit: int, walk: int
) -> list[FoundCallback]:
    """Return callbacks older than `before`, the newest first; without a message, of the next `walk`."""
    values = {
        "account_id": wanted.account_id,
        "state": wanted.state and wanted.state.value,
        "before": NEWEST if before is None else before,
        "limit": limit,
    }
    if wanted.message_id is not None:
        rows = await connection.execute(_OF_MESSAGE, {**values, "message_id": wanted.message_id})
    elif wanted.account_id is not None:
        rows = await connection.execute(_OF_ACCOUNT, {**values, "walk": walk})
    else:
        del values["account_id"]
        rows = await connection.execute(_ALL, {**values, "walk": walk})
    return [_callback(row) for row in rows]


async def walk_end(
    connection: AsyncConnection, wanted: CallbackFilter, *, before: int | None, walk: int
) -> int | None:
    """Return the id of the last callback in a walk from `before`; None if it reached the end."""
    values: dict[str, object] = {"before": NEWEST if before is None else before, "walk": walk - 1}
    if wanted.account_id is None:
        stop = await connection.scalar(_STOP_ALL, values)
    else:
        stop = await connection.scalar(_STOP_OF_ACCOUNT, {**values, "account_id": wanted.account_id})
    return stop if isinstance(stop, int) else None


async def replay(connection: AsyncConnection, key: int | UUID, *, now: datetime) -> FoundCallback | None:
    """Make a callback due again, under the same id, and return it; None means that there is none."""
    row = (await connection.execute(_REPLAY, {**id_parameters(key), "now": now})).one_or_none()
    return None if row is None else _callback(row)


def _callback(row: Row[Any]) -> FoundCallback:
    return FoundCallback(**{**row._mapping, "state": CallbackState(row.state)})
