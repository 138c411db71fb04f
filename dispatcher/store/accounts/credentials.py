"""Credentials: generated secrets are stored as digests, passwords that people choose as argon2 hashes."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Account
from dispatcher.store.accounts.accounts import COLUMNS, account_of


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential without its secret; `hint` is how the secret begins."""

    id: int
    kind: str
    dialect: str
    name: str | None
    hint: str
    is_test: bool
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Holder:
    """A credential with its secret's hash and its account, which is None for an operator."""

    credential: Credential
    account: Account | None
    digest: bytes | None
    password_hash: str | None


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential to be written, with exactly one of `digest` and `password_hash`."""

    account_id: int | None
    kind: str
    dialect: str
    name: str | None
    digest: bytes | None
    password_hash: str | None
    hint: str
    is_test: bool
    expires_at: datetime | None


_FIELDS = (
    "c.id AS credential_id, c.kind, c.dialect, c.name AS credential_name, c.hint, c.is_test, c.created_at,"
    " c.expires_at, c.revoked_at, c.last_used_at"
)
_HOLDER = f"""
SELECT {_FIELDS}, c.digest, c.password_hash, {COLUMNS}
FROM credentials c LEFT JOIN accounts a ON a.id = c.account_id
"""

_BY_DIGESTS = text(f"{_HOLDER} WHERE c.digest = ANY(CAST(:digests AS bytea[]))")
_BY_NAME = text(
    f"{_HOLDER} WHERE c.name = :name AND c.kind = :kind AND c.dialect = :dialect AND c.revoked_at IS NULL"
)
_BY_ID = text(f"{_HOLDER} WHERE c.id = :id")
_USED = text("""
UPDATE credentials SET last_used_at = :now
WHERE id = (SELECT id FROM credentials WHERE id = :id FOR UPDATE SKIP LOCKED)
""")
_INSERT = text("""
INSERT INTO credentials (account_id, kind, dialect, name, digest, password_hash, hint, is_test, expires_at)
VALUES (:account_id, :kind, :dialect, :name, :digest, :password_hash, :hint, :is_test, :expires_at)
ON CONFLICT (dialect, kind, name) WHERE name IS NOT NULL AND revoked_at IS NULL DO NOTHING
RETURNING id
""")
_OF_ACCOUNT = text(f"""
SELECT {_FIELDS} FROM credentials c
WHERE c.account_id IS NOT DISTINCT FROM CAST(:account_id AS bigint) AND c.id > :after
ORDER BY c.id LIMIT :limit
""")
_REVOKE = text("""
UPDATE credentials SET revoked_at = :now
WHERE account_id IS NOT DISTINCT FROM CAST(:account_id AS bigint) AND id = :id AND revoked_at IS NULL
RETURNING id
""")
_REVOKE_KIND = text("""
UPDATE credentials SET revoked_at = :now
WHERE account_id = :account_id AND kind = :kind AND dialect = :dialect AND is_test = :is_test
  AND revoked_at IS NULL
RETURNING id, expires_at
""")
_ACCOUNT_LOCK = text("SELECT pg_advisory_xact_lock(4773005, CAST(:account_id AS integer))")


async def by_digests(connection: AsyncConnection, digests: Collection[bytes]) -> dict[bytes, Holder]:
    """Return credentials by the digests of their secrets, including revoked ones."""
    rows = await connection.execute(_BY_DIGESTS, {"digests": list(digests)})
    return {bytes(row.digest): holder for row in rows if (holder := _holder(row)) is not None}


async def by_name(connection: AsyncConnection, kind: str, dialect: str, name: str) -> Holder | None:
    """Return a credential that is not revoked, by its public name."""
    values = {"name": name, "kind": kind, "dialect": dialect}
    return _holder((await connection.execute(_BY_NAME, values)).one_or_none())


async def by_id(connection: AsyncConnection, credential_id: int) -> Holder | None:
    """Return a credential by its id, even if it is revoked."""
    return _holder((await connection.execute(_BY_ID, {"id": credential_id})).one_or_none())


async def record_use(connection: AsyncConnection, credential_id: int, *, now: datetime) -> None:
    """Write when a credential was last used; does nothing while another request writes it."""
    await connection.execute(_USED, {"id": credential_id, "now": now})


async def insert(connection: AsyncConnection, new: NewCredential) -> int | None:
    """Write a credential and return its id; None means that its name is taken."""
    values = {field: getattr(new, field) for field in NewCredential.__slots__}
    new_id = await connection.scalar(_INSERT, values)
    return new_id if isinstance(new_id, int) else None


async def page(
    connection: AsyncConnection, account_id: int | None, *, after: int, limit: int
) -> list[Credential]:
    """Return an account's credentials, or the operators' (None), with revoked ones, the oldest first."""
    rows = await connection.execute(_OF_ACCOUNT, {"account_id": account_id, "after": after, "limit": limit})
    return [_credential(row) for row in rows]


async def revoke(
    connection: AsyncConnection, account_id: int | None, credential_id: int, *, now: datetime
) -> bool:
    """Revoke a credential; False means that the account has none with this id that is not revoked."""
    values = {"account_id": account_id, "id": credential_id, "now": now}
    return await connection.scalar(_REVOKE, values) is not None


async def revoke_kind(
    connection: AsyncConnection, account_id: int, kind: str, *, dialect: str, is_test: bool, now: datetime
) -> int:
    """Revoke all credentials of a kind, either the live or the test ones; return how many had not expired."""
    values = {
        "account_id": account_id,
        "kind": kind,
        "dialect": dialect,
        "is_test": is_test,
        "now": now,
    }
    rows = (await connection.execute(_REVOKE_KIND, values)).all()
    return sum(row.expires_at is None or row.expires_at > now for row in rows)


async def lock_account(connection: AsyncConnection, account_id: int) -> None:
    """Lock the credentials of this account against other changes until the transaction ends."""
    await connection.execute(_ACCOUNT_LOCK, {"account_id": account_id % 2**31})


def is_live(credential: Credential, now: datetime) -> bool:
    """Return whether a credential is valid now: neither revoked nor expired."""
    return credential.revoked_at is None and not is_expired(credential, now)


def is_expired(credential: Credential, now: datetime) -> bool:
    """Return whether a credential has expired."""
    return credential.expires_at is not None and credential.expires_at <= now


def _holder(row: Row[tuple[object, ...]] | None) -> Holder | None:
    if row is None:
        return None
    account = None if row.id is None else account_of(row)
    return Holder(_credential(row), account, row.digest, row.password_hash)


def _credential(row: Row[tuple[object, ...]]) -> Credential:
    return Credential(
        id=row.credential_id,
        kind=row.kind,
        dialect=row.dialect,
        name=row.credential_name,
        hint=row.hint,
        is_test=row.is_test,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
