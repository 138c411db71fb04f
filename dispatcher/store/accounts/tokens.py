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
    """
    A token that was signed.

    `family` is shared by the tokens that were made by refreshing one.
    `issued_by` is the family of the token with which this one was issued, None
    if that was a login. `refreshed_at` is when its refresh token was used.
    """

    id: str
    family: UUID
    issued_by: UUID | None
    credential_id: int
    scopes: Sequence[str]
    expires_at: datetime
    refresh_until: datetime | None
    refreshed_at: datetime | None
    revoked_at: datetime | None


_COLUMNS = "id, family, issued_by, credential_id, scopes, expires_at, refresh_until, refreshed_at, revoked_at"

_INSERT = text("""
INSERT INTO tokens (id, family, issued_by, credential_id, scopes, refresh_digest, created_at, expires_at,
                    refresh_until, kept_until)
VALUES (:id, :family, :issued_by, :credential_id, CAST(:scopes AS text[]), :refresh_digest, :now, :expires_at,
        :refresh_until, greatest(:expires_at, CAST(:refresh_until AS timestamptz)))
""")
_FIND = text(f"SELECT {_COLUMNS} FROM tokens WHERE id = :id")
_BY_REFRESH = text(f"SELECT {_COLUMNS} FROM tokens WHERE refresh_digest = :digest FOR UPDATE")
_REFRESHED = text("UPDATE tokens SET refreshed_at = :now WHERE id = :id")
_REVOKE = text("""
UPDATE tokens SET revoked_at = :now
WHERE family = ANY(CAST(:families AS uuid[])) AND revoked_at IS NULL
""")
_ISSUED_BY = text("SELECT DISTINCT family FROM tokens WHERE issued_by = ANY(CAST(:families AS uuid[]))")
_LOCK_LIVE = text("SELECT 1 FROM tokens WHERE family = :family AND revoked_at IS NULL FOR SHARE")
_FAMILY = text("""
SELECT t.family FROM tokens t JOIN credentials c ON c.id = t.credential_id
WHERE t.id = :id AND c.account_id = :account_id
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
            "issued_by": token.issued_by,
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


async def lock_live(connection: AsyncConnection, family: UUID) -> bool:
    """Return whether a family is not revoked; it cannot be until the transaction ends."""
    return await connection.scalar(_LOCK_LIVE, {"family": family}) is not None


async def revoke_family(connection: AsyncConnection, family: UUID, *, now: datetime) -> None:
    """Revoke the tokens of a family, and all that were issued with one of them, and so on."""
    known, families = {family}, {family}
    while families:
        await connection.execute(_REVOKE, {"families": list(families), "now": now})
        # A statement of its own: it sees tokens whose issuing had locked the family.
        found = await connection.scalars(_ISSUED_BY, {"families": list(families)})
        families = set(found) - known
        known |= families


async def family_of(connection: AsyncConnection, account_id: int, token_id: str) -> UUID | None:
    """Return the family of a token of this account."""
    family: UUID | None = await connection.scalar(_FAMILY, {"account_id": account_id, "id": token_id})
    return family


async def delete_expired(connection: AsyncConnection, *, until: datetime, limit: int) -> int:
    """Delete tokens that could last be used before `until`; return how many."""
    return len((await connection.execute(_DELETE_EXPIRED, {"until": until, "limit": limit})).all())


def _token(row: Row[Any] | None) -> SignedToken | None:
    return None if row is None else SignedToken(*tuple(row))
