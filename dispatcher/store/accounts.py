"""Accounts, their credentials and their senders."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.submission import Account
from dispatcher.domain.tier import Tier

_COLUMNS = "a.id, a.name, a.balance, a.default_country, a.timezone"

_INSERT = text("""
INSERT INTO accounts (name, default_country, timezone) VALUES (:name, :country, :timezone)
ON CONFLICT (name) DO NOTHING RETURNING id
""")
_BY_NAME = text(f"SELECT {_COLUMNS} FROM accounts a WHERE name = :name")
_ALL = text(f"SELECT {_COLUMNS} FROM accounts a ORDER BY name")
_BY_CREDENTIAL = text(f"""
SELECT {_COLUMNS}, c.id AS credential_id, c.last_used_at
FROM credentials c JOIN accounts a ON a.id = c.account_id
WHERE c.digest = :digest AND c.kind = :kind AND c.revoked_at IS NULL
  AND (c.expires_at IS NULL OR c.expires_at > :now)
""")
_USED = text("""
UPDATE credentials SET last_used_at = :now
WHERE id = (SELECT id FROM credentials WHERE id = :id FOR UPDATE SKIP LOCKED)
""")
_VALIDITY = text("SELECT critical_validity, standard_validity, bulk_validity FROM accounts WHERE id = :id")
_INSERT_CREDENTIAL = text("""
INSERT INTO credentials (account_id, kind, digest, hint, expires_at)
VALUES (:account_id, :kind, :digest, :hint, :expires_at) RETURNING id
""")
_SENDERS = text(
    "SELECT id, name, is_default, disabled_at FROM senders WHERE account_id = :account_id ORDER BY id"
)
_INSERT_SENDER = text("""
INSERT INTO senders (account_id, name, is_default)
VALUES (:account_id, :name, NOT EXISTS (SELECT 1 FROM senders WHERE account_id = :account_id AND is_default))
ON CONFLICT (account_id, name) DO NOTHING RETURNING id
""")
_SENDER = text("SELECT id FROM senders WHERE account_id = :account_id AND id = :id AND disabled_at IS NULL")
_DEFAULT_SENDER = text(
    "SELECT id FROM senders WHERE account_id = :account_id AND is_default AND disabled_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose credential it is, and when it was last used."""

    account: Account
    credential_id: int
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender ID of an account; who names none gets the default one."""

    id: int
    name: str
    is_default: bool
    disabled_at: datetime | None


async def insert(connection: AsyncConnection, name: str, *, country: str | None, timezone: str) -> int | None:
    """Write an account; None means that the name is taken."""
    parameters = {"name": name, "country": country, "timezone": timezone}
    return _number(await connection.scalar(_INSERT, parameters))


async def by_name(connection: AsyncConnection, name: str) -> Account | None:
    """Find an account."""
    row = (await connection.execute(_BY_NAME, {"name": name})).one_or_none()
    return None if row is None else _account(row)


async def every(connection: AsyncConnection) -> list[Account]:
    """Read all accounts, by name."""
    return [_account(row) for row in await connection.execute(_ALL)]


async def by_credential(
    connection: AsyncConnection, kind: str, digest: bytes, *, now: datetime
) -> Holder | None:
    """Find who holds a live credential of this kind by its digest."""
    row = (
        await connection.execute(_BY_CREDENTIAL, {"digest": digest, "kind": kind, "now": now})
    ).one_or_none()
    if row is None:
        return None
    return Holder(_account(row), row.credential_id, row.last_used_at)


async def note_use(connection: AsyncConnection, credential_id: int, *, now: datetime) -> None:
    """Write when a credential was last used; skipped if another request writes it now."""
    await connection.execute(_USED, {"id": credential_id, "now": now})


async def validity(connection: AsyncConnection, account_id: int, tier: Tier) -> timedelta | None:
    """Tell how long the account wants a message of this tier to be good for; None if it does not say."""
    row = (await connection.execute(_VALIDITY, {"id": account_id})).one()
    chosen = getattr(row, f"{tier.value}_validity")
    return chosen if isinstance(chosen, timedelta) else None


async def insert_credential(
    connection: AsyncConnection,
    account_id: int,
    *,
    kind: str,
    digest: bytes,
    hint: str,
    expires_at: datetime | None,
) -> int:
    """Write a credential; only its digest is kept."""
    parameters = {
        "account_id": account_id,
        "kind": kind,
        "digest": digest,
        "hint": hint,
        "expires_at": expires_at,
    }
    return int(await connection.scalar(_INSERT_CREDENTIAL, parameters) or 0)


async def insert_sender(connection: AsyncConnection, account_id: int, name: str) -> int | None:
    """Write a sender, the account's first one as its default; None means that it is there already."""
    return _number(await connection.scalar(_INSERT_SENDER, {"account_id": account_id, "name": name}))


async def senders(connection: AsyncConnection, account_id: int) -> list[Sender]:
    """Read all senders of an account, the oldest first."""
    rows = await connection.execute(_SENDERS, {"account_id": account_id})
    return [Sender(row.id, row.name, row.is_default, row.disabled_at) for row in rows]


async def find_sender(connection: AsyncConnection, account_id: int, sender_id: int | None) -> int | None:
    """Find this sender of the account, or its default one; None means that there is none to use."""
    if sender_id is None:
        return _number(await connection.scalar(_DEFAULT_SENDER, {"account_id": account_id}))
    return _number(await connection.scalar(_SENDER, {"account_id": account_id, "id": sender_id}))


def _account(row: Row[tuple[object, ...]]) -> Account:
    return Account(row.id, row.name, row.balance, row.default_country, row.timezone)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
