"""Signed tokens by their id, with their scopes, and those that were refreshed or revoked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token that was signed; `refreshed_at` is when its refresh token was used."""

    id: str
    family: UUID
    credential_id: int
    scopes: Sequence[str]
    expires_at: datetime
    refresh_until: datetime | None
    refreshed_at: datetime | None
    revoked_at: datetime | None


_COLUMNS = "id, family, credential_id, scopes, expires_at, refresh_until, refreshed_at, revoked_at"

_INSERT = text("""
INSERT INTO tokens (id, family, credential_id, scopes, refresh_digest, created_at, expires_at, refresh_until,
                    kept_until)
VALUES (:id, :family, :credential_id, CAST(:scopes AS text[]), :refresh_digest, :now, :expires_at,
        :refresh_until, greatest(:expires_at, CAST(:refresh_until AS timestamptz)))
""")
_FIND = text(f"SELECT {_COLUMNS} FROM tokens WHERE id = :id")
_BY_REFRESH = text(f"SELECT {_COLUMNS} FROM tokens WHERE refresh_digest = :digest FOR UPDATE")
_REFRESHED = text("UPDATE tokens SET refreshed_at = :now WHERE id = :id")
_REVOKE_FAMILY = text("UPDATE tokens SET revoked_at = :now WHERE family = :family AND revoked_at IS NULL")
_REVOKE = text("""
UPDATE tokens t SET revoked_at = :now FROM credentials c
WHERE t.id = :id AND c.id = t.credential_id AND c.account_id = :account_id AND t.revoked_at IS NULL
""")
_DELETE_EXPIRED = text("""
DELETE FROM tokens WHERE id = ANY(ARRAY(
    SELECT id FROM tokens WHERE kept_until < :until
    ORDER BY kept_until LIMIT :limit FOR UPDATE SKIP LOCKED
)) RETURNING 1
""")


async def insert(
    connection: AsyncConnection, token: SignedToken, *, refresh_digest: bytes | None, now: datetime
) -> None:
    """Write a token before it is issued."""
    await connection.execute(
        _INSERT,
        {
            "id": token.id,
            "family": token.family,
            "credential_id": token.credential_id,
            "scopes": list(token.scopes),
            "refresh_digest": refresh_digest,
            "now": now,
            "expires_at": token.expires_at,
            "refresh_until": token.refresh_until,
        },
    )


async def find(connection: AsyncConnection, token_id: str) -> SignedToken | None:
    """Return a token by its id."""
    return _token((await connection.execute(_FIND, {"id": token_id})).one_or_none())


async def by_refresh(connection: AsyncConnection, digest: bytes) -> SignedToken | None:
    """Lock the token that was issued with this refresh token, and return it."""
    return _token((await connection.execute(_BY_REFRESH, {"digest": digest})).one_or_none())


async def mark_refreshed(connection: AsyncConnection, token_id: str, *, now: datetime) -> None:
    """Write that the refresh token was used; it can be used once."""
    await connection.execute(_REFRESHED, {"id": token_id, "now": now})


async def revoke_family(connection: AsyncConnection, family: UUID, *, now: datetime) -> None:
    """Revoke a token and all tokens that were made by refreshing it."""
    await connection.execute(_REVOKE_FAMILY, {"family": family, "now": now})


async def revoke(connection: AsyncConnection, account_id: int, token_id: str, *, now: datetime) -> None:
    """Revoke a token of this account; does nothing if there is no such token."""
    await connection.execute(_REVOKE, {"account_id": account_id, "id": token_id, "now": now})


async def delete_expired(connection: AsyncConnection, *, until: datetime, limit: int) -> int:
    """Delete tokens that could last be used before `until`; return how many."""
    return len((await connection.execute(_DELETE_EXPIRED, {"until": until, "limit": limit})).all())


def _token(row: Row[Any] | None) -> SignedToken | None:
    return None if row is None else SignedToken(*tuple(row))
