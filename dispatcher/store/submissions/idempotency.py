"""The answers to requests that create messages, by their idempotency keys."""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.messages.submission import StoredResponse


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An answer, and the fingerprint of the request that got it."""

    fingerprint: bytes
    answer: StoredResponse


# The lock is held until the transaction ends: while it is taken, the first request is still running.
_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 4773003))")
_FIND = text("""
SELECT fingerprint, status, headers, body FROM idempotency_keys
WHERE account_id = :account_id AND dialect = :dialect AND key = :key AND created_at > :since
""")
_SAVE = text("""
INSERT INTO idempotency_keys (account_id, dialect, key, fingerprint, status, headers, body, created_at)
VALUES (:account_id, :dialect, :key, :fingerprint, :status, CAST(:headers AS jsonb), :body, :now)
ON CONFLICT (account_id, dialect, key) DO UPDATE
SET fingerprint = excluded.fingerprint, status = excluded.status, headers = excluded.headers,
    body = excluded.body, created_at = excluded.created_at
""")
_DELETE_OLD = text("""
WITH picked AS (
    SELECT account_id, dialect, key FROM idempotency_keys WHERE created_at <= :until
    ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
DELETE FROM idempotency_keys k USING picked p
WHERE k.account_id = p.account_id AND k.dialect = p.dialect AND k.key = p.key
RETURNING 1
""")


async def lock(connection: AsyncConnection, account_id: int, dialect: str, key: str) -> bool:
    """Try to lock this key until the transaction ends; return whether it is locked."""
    return bool(await connection.scalar(_LOCK, {"name": f"{account_id} {dialect} {key}"}))


async def find(
    connection: AsyncConnection, account_id: int, dialect: str, key: str, *, since: datetime
) -> StoredKey | None:
    """Return the answer that this key got after `since`, or None."""
    values = {"account_id": account_id, "dialect": dialect, "key": key, "since": since}
    row = (await connection.execute(_FIND, values)).one_or_none()
    return (
        None if row is None else StoredKey(row.fingerprint, StoredResponse(row.status, row.headers, row.body))
    )


async def save(
    connection: AsyncConnection, account_id: int, dialect: str, key: str, stored: StoredKey, *, now: datetime
) -> None:
    """Store an answer; it replaces one that is too old to be replayed."""
    await connection.execute(
        _SAVE,
        {
            "account_id": account_id,
            "dialect": dialect,
            "key": key,
            "fingerprint": stored.fingerprint,
            "status": stored.answer.status,
            "headers": json.dumps(dict(stored.answer.headers)),
            "body": stored.answer.body,
            "now": now,
        },
    )


async def delete_old(connection: AsyncConnection, *, until: datetime, limit: int) -> int:
    """Delete answers that were stored up to `until`; return how many."""
    return len((await connection.execute(_DELETE_OLD, {"until": until, "limit": limit})).all())
