"""Webhooks: URLs for an event of all messages of an account and dialect, and whether they answer."""

from collections.abc import Collection, Sequence
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
    from handsets are such events too. It has failed since `failing_since` in
    every try; once it is switched off, `disabled_reason` says why.
    """

    dialect: str
    id: str
    url: str
    event: str
    statuses: frozenset[Status]
    inbound: bool
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None


@dataclass(frozen=True, slots=True)
class WebhookTry:
    """
    The result of one call of a webhook, for its `url` alone: it may have another one by now.

    `has_ended` says that the callback will not be tried again, `is_gone` that
    the URL asks never to be called again.
    """

    account_id: int
    dialect: str
    id: str
    url: str
    answer: str
    is_delivered: bool
    has_ended: bool
    is_gone: bool


@dataclass(frozen=True, slots=True)
class DisabledWebhook:
    """A webhook that is switched off."""

    account: str
    dialect: str
    id: str
    disabled_at: datetime
    disabled_reason: str


_COLUMNS = """dialect, id, url, event, statuses, inbound, created_at, failing_since, disabled_at,
       disabled_reason"""
_OWN = "account_id = :account_id AND dialect = :dialect"

_PUT = text(f"""
INSERT INTO webhooks (account_id, dialect, id, url, event, statuses, inbound)
VALUES (:account_id, :dialect, :id, :url, :event, CAST(:statuses AS smallint[]), :inbound)
ON CONFLICT (account_id, dialect, id)
DO UPDATE SET url = excluded.url, event = excluded.event, statuses = excluded.statuses,
              inbound = excluded.inbound, failing_since = NULL, disabled_at = NULL, disabled_reason = NULL
RETURNING {_COLUMNS}
""")
_OTHERS = text(f"SELECT count(*) FROM webhooks WHERE {_OWN} AND id <> :id")
_TWIN = text("""
SELECT EXISTS (SELECT FROM webhooks WHERE account_id = :account_id AND dialect <> :dialect AND id = :id
               AND url = :url AND inbound)
""")
_ALL = text(f"SELECT {_COLUMNS} FROM webhooks WHERE {_OWN} ORDER BY created_at, id")
_ALL_DIALECTS = text(f"""
SELECT {_COLUMNS} FROM webhooks WHERE account_id = :account_id ORDER BY dialect, created_at, id
""")
_ENABLE = text(f"""
UPDATE webhooks SET failing_since = NULL, disabled_at = NULL, disabled_reason = NULL
WHERE account_id = :account_id AND id = :id RETURNING {_COLUMNS}
""")
_DISABLED = text("""
SELECT a.name AS account, w.dialect, w.id, w.disabled_at, w.disabled_reason
FROM webhooks w JOIN accounts a ON a.id = w.account_id
WHERE w.disabled_at IS NOT NULL ORDER BY w.disabled_at DESC, a.name, w.dialect, w.id LIMIT :limit
""")

# Most tries change nothing: then no row is locked or written.
_RECORD_TRIES = text("""
WITH tries AS MATERIALIZED (
    SELECT account_id, dialect, id, url, max(answer) AS answer, bool_or(is_delivered) AS is_delivered,
           bool_or(has_ended) AS has_ended, bool_or(is_gone) AS is_gone
    FROM unnest(
        CAST(:account_ids AS bigint[]), CAST(:dialects AS text[]), CAST(:ids AS text[]),
        CAST(:urls AS text[]), CAST(:answers AS text[]), CAST(:delivered AS boolean[]),
        CAST(:ended AS boolean[]), CAST(:gone AS boolean[])
    ) AS t(account_id, dialect, id, url, answer, is_delivered, has_ended, is_gone)
    GROUP BY account_id, dialect, id, url
),
picked AS MATERIALIZED (
    SELECT w.account_id, w.dialect, w.id, t.answer, t.is_delivered AND NOT t.is_gone AS works, t.is_gone,
           t.is_gone OR (t.has_ended AND NOT t.is_delivered AND w.failing_since <= :failing_before) AS ends
    FROM tries t JOIN webhooks w USING (account_id, dialect, id)
    WHERE w.url = t.url AND w.disabled_at IS NULL
      AND CASE WHEN t.is_gone THEN true
               WHEN t.is_delivered THEN w.failing_since IS NOT NULL
               ELSE w.failing_since IS NULL OR (t.has_ended AND w.failing_since <= :failing_before) END
    ORDER BY w.account_id, w.dialect, w.id FOR UPDATE OF w
),
changed AS (
    UPDATE webhooks w
    SET failing_since = CASE WHEN NOT p.works THEN coalesce(w.failing_since, :now) END,
        disabled_at = CASE WHEN p.ends THEN CAST(:now AS timestamptz) END,
        disabled_reason = CASE
            WHEN p.is_gone THEN 'its URL answered 410 Gone'
            WHEN p.ends THEN 'it has failed since '
                || to_char(w.failing_since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
                || ', the last time with: ' || p.answer
        END
    FROM picked p WHERE w.account_id = p.account_id AND w.dialect = p.dialect AND w.id = p.id
    RETURNING w.*
)
SELECT a.name AS account, c.dialect, c.id, c.disabled_at, c.disabled_reason
FROM changed c JOIN accounts a ON a.id = c.account_id WHERE c.disabled_at IS NOT NULL
ORDER BY a.name, c.dialect, c.id
""")
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


async def list_all_dialects(connection: AsyncConnection, account_id: int) -> list[Webhook]:
    """Return all webhooks of an account, by dialect, the oldest first."""
    return [_webhook(row) for row in await connection.execute(_ALL_DIALECTS, {"account_id": account_id})]


async def enable(connection: AsyncConnection, account_id: int, id: str) -> list[Webhook]:  # noqa: A002
    """Switch the webhooks with this id on again, and return them; usually there is one, of one dialect."""
    rows = await connection.execute(_ENABLE, {"account_id": account_id, "id": id})
    return [_webhook(row) for row in rows]


async def list_disabled(connection: AsyncConnection, *, limit: int) -> list[DisabledWebhook]:
    """Return webhooks of all accounts that are switched off, the latest first."""
    return [DisabledWebhook(**row._mapping) for row in await connection.execute(_DISABLED, {"limit": limit})]


async def record_tries(
    connection: AsyncConnection, tries: Sequence[WebhookTry], *, failing_before: datetime, now: datetime
) -> list[DisabledWebhook]:
    """
    Note which webhooks fail, and return those that are switched off now.

    They are those that are gone, and those that have failed since
    `failing_before` or longer and could not be given a callback in all its
    tries.
    """
    values = {
        "account_ids": [one.account_id for one in tries],
        "dialects": [one.dialect for one in tries],
        "ids": [one.id for one in tries],
        "urls": [one.url for one in tries],
        "answers": [one.answer for one in tries],
        "delivered": [one.is_delivered for one in tries],
        "ended": [one.has_ended for one in tries],
        "gone": [one.is_gone for one in tries],
        "failing_before": failing_before,
        "now": now,
    }
    return [DisabledWebhook(**row._mapping) for row in await connection.execute(_RECORD_TRIES, values)]


async def remove(connection: AsyncConnection, account_id: int, dialect: str, id: str) -> None:  # noqa: A002
    """Delete a webhook, if it exists. Callbacks that were written for it are still sent."""
    await connection.execute(_REMOVE, {"account_id": account_id, "dialect": dialect, "id": id})


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(**{**row._mapping, "statuses": frozenset(map(Status, row.statuses))})
