"""Messages from handsets, as they are stored: read and searched, and sent to webhooks again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.inbound.keywords import KeywordAction
from dispatcher.store.messages.search import NEWEST
from dispatcher.store.messages.views import id_parameters


@dataclass(frozen=True, slots=True)
class FoundInbound:
    """
    A stored message from a handset.

    `account` is None if no account owns the code that it was sent to, `text`
    unless it was requested. It has `parts` parts; those in `missing_parts` did
    not come in time. `updated_at` is when a late part last changed it.
    """

    id: int
    public_id: UUID
    account: str | None
    sender: str | None
    provider: str
    ref: str | None
    number: str
    recipient: str
    text: str | None
    action: KeywordAction | None
    sent_at: datetime | None
    received_at: datetime
    parts: int
    missing_parts: tuple[int, ...]
    updated_at: datetime | None


# Callbacks that exist keep their ids and are sent again as if they were new.
_RENEW_CALLBACKS = text("""
INSERT INTO callbacks (account_id, inbound_id, seq, dialect, url, webhook_id, event, created_at, wake_at)
SELECT i.account_id, i.id, 1, w.dialect, w.url, w.id, w.event, :now, :now
FROM inbound i
JOIN webhooks w ON w.account_id = i.account_id AND w.dialect = :dialect AND w.inbound
    AND w.disabled_at IS NULL
WHERE i.account_id = :account_id AND i.received_at >= :since AND i.received_at < :until
ON CONFLICT (message_id, inbound_id, seq, url, webhook_id) DO UPDATE
SET state = 'waiting', created_at = :now, wake_at = :now, tries = 0, ended_at = NULL
""")

_FOUND = """
SELECT i.id, i.public_id, a.name AS account, s.name AS sender, i.provider, i.ref, i.number, i.recipient,
       CASE WHEN :with_text THEN i.text END AS text, i.action, i.sent_at, i.received_at, i.parts,
       i.missing_parts, i.updated_at
FROM picked i LEFT JOIN accounts a ON a.id = i.account_id LEFT JOIN senders s ON s.id = i.sender_id
"""
_PAGE = """
WITH picked AS MATERIALIZED (
    SELECT * FROM inbound WHERE {conditions} ORDER BY id DESC LIMIT :limit
)
{found} ORDER BY i.id DESC
"""
_ONE = text(f"""
WITH picked AS (
    SELECT * FROM inbound WHERE id = CAST(:id AS bigint) OR public_id = CAST(:public_id AS uuid)
)
{_FOUND}
""")
_PERIOD = """account_id = :account_id AND (CAST(:since AS timestamptz) IS NULL OR received_at >= :since)
    AND (CAST(:until AS timestamptz) IS NULL OR received_at < :until)"""
_COUNT = text(f"SELECT count(*) FROM inbound WHERE {_PERIOD}")
_LIST = text(f"""
WITH picked AS MATERIALIZED (
    SELECT * FROM inbound WHERE {_PERIOD} ORDER BY received_at DESC, id DESC OFFSET :skip LIMIT :limit
)
{_FOUND} ORDER BY i.received_at DESC, i.id DESC
""")


async def page(
    connection: AsyncConnection,
    *,
    account_id: int | None,
    number: str | None,
    before: int | None,
    limit: int,
    with_text: bool,
) -> list[FoundInbound]:
    """Return messages older than the one with the id `before`, the newest first."""
    values: dict[str, object] = {"before": NEWEST if before is None else before}
    values |= {} if account_id is None else {"account_id": account_id}
    values |= {} if number is None else {"number": number}
    conditions = ["id < :before", *(f"{name} = :{name}" for name in values if name != "before")]
    statement = text(_PAGE.format(conditions=" AND ".join(conditions), found=_FOUND))
    rows = await connection.execute(statement, {**values, "limit": limit, "with_text": with_text})
    return [_inbound(row) for row in rows]


async def find(connection: AsyncConnection, key: int | UUID, *, with_text: bool) -> FoundInbound | None:
    """Return one message, by its id or its public id."""
    row = (await connection.execute(_ONE, {**id_parameters(key), "with_text": with_text})).one_or_none()
    return None if row is None else _inbound(row)


async def page_of_period(
    connection: AsyncConnection,
    account_id: int,
    *,
    since: datetime | None,
    until: datetime | None,
    skip: int,
    limit: int,
) -> list[FoundInbound]:
    """Return an account's messages of a period with their texts, the newest first."""
    values = {"account_id": account_id, "since": since, "until": until, "skip": skip, "limit": limit}
    return [_inbound(row) for row in await connection.execute(_LIST, {**values, "with_text": True})]


async def count_in_period(
    connection: AsyncConnection, account_id: int, *, since: datetime | None, until: datetime | None
) -> int:
    """Return how many messages of a period an account has."""
    values = {"account_id": account_id, "since": since, "until": until}
    return int(await connection.scalar(_COUNT, values) or 0)


async def renew_callbacks(
    connection: AsyncConnection,
    account_id: int,
    dialect: str,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
) -> None:
    """Write the callbacks of a period's messages again, to the webhooks that the account has now."""
    values = {"account_id": account_id, "dialect": dialect, "since": since, "until": until, "now": now}
    await connection.execute(_RENEW_CALLBACKS, values)


def _inbound(row: Row[Any]) -> FoundInbound:
    action = None if row.action is None else KeywordAction(row.action)
    return FoundInbound(**{**row._mapping, "action": action, "missing_parts": tuple(row.missing_parts)})
