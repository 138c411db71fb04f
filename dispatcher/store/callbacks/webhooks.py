"""Webhooks: URLs for an event of all messages of an account and dialect."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.messages.status import Status


@dataclass(frozen=True, slots=True)
class Webhook:
    """
    A URL and the event that is sent to it.

    `statuses` are those of the event, possibly none; with `inbound`, messages
    from handsets are such events too.
    """

    id: str
    url: str
    event: str
    statuses: frozenset[Status]
    inbound: bool
    created_at: datetime


_COLUMNS = "id, url, event, statuses, inbound, created_at"
_OWN = "account_id = :account_id AND dialect = :dialect"

_PUT = text(f"""
INSERT INTO webhooks (account_id, dialect, id, url, event, statuses, inbound)
VALUES (:account_id, :dialect, :id, :url, :event, CAST(:statuses AS smallint[]), :inbound)
ON CONFLICT (account_id, dialect, id)
DO UPDATE SET url = excluded.url, event = excluded.event, statuses = excluded.statuses,
              inbound = excluded.inbound
RETURNING {_COLUMNS}
""")
_OTHERS = text(f"SELECT count(*) FROM webhooks WHERE {_OWN} AND id <> :id")
_TWIN = text("""
SELECT EXISTS (SELECT FROM webhooks WHERE account_id = :account_id AND dialect <> :dialect AND id = :id
               AND url = :url AND inbound)
""")
_ALL = text(f"SELECT {_COLUMNS} FROM webhooks WHERE {_OWN} ORDER BY created_at, id")
_REMOVE = text(f"DELETE FROM webhooks WHERE {_OWN} AND id = :id")


async def put(
    connection: AsyncConnection,
    account_id: int,
    dialect: str,
    *,
    id: str,  # noqa: A002 - the column's name
    url: str,
    event: str,
    statuses: Collection[Status],
    inbound: bool,
) -> Webhook:
    """Write a webhook, which replaces one with the same id, and return it."""
    values = {
        "account_id": account_id,
        "dialect": dialect,
        "id": id,
        "url": url,
        "event": event,
        "statuses": sorted(int(status) for status in statuses),
        "inbound": inbound,
    }
    return _webhook((await connection.execute(_PUT, values)).one())


async def count_others(connection: AsyncConnection, account_id: int, dialect: str, id: str) -> int:  # noqa: A002
    """Return how many webhooks have another id."""
    values = {"account_id": account_id, "dialect": dialect, "id": id}
    return int(await connection.scalar(_OTHERS, values) or 0)


async def has_twin(connection: AsyncConnection, account_id: int, dialect: str, id: str, url: str) -> bool:  # noqa: A002
    """Return whether a webhook of another dialect has this id and URL, and gets messages from handsets."""
    values = {"account_id": account_id, "dialect": dialect, "id": id, "url": url}
    return bool(await connection.scalar(_TWIN, values))


async def list_all(connection: AsyncConnection, account_id: int, dialect: str) -> list[Webhook]:
    """Return all webhooks of an account and dialect, the oldest first."""
    rows = await connection.execute(_ALL, {"account_id": account_id, "dialect": dialect})
    return [_webhook(row) for row in rows]


async def remove(connection: AsyncConnection, account_id: int, dialect: str, id: str) -> None:  # noqa: A002
    """Delete a webhook, if it exists. Callbacks that were written for it are still sent."""
    await connection.execute(_REMOVE, {"account_id": account_id, "dialect": dialect, "id": id})


def _webhook(row: Row[Any]) -> Webhook:
    statuses = frozenset(map(Status, row.statuses))
    return Webhook(row.id, row.url, row.event, statuses, row.inbound, row.created_at)
