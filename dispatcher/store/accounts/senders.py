"""The sender IDs of accounts."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_MAX_BIGINT = 2**63 - 1
_ALL = text(
    "SELECT id, name, is_default, disabled_at FROM senders WHERE account_id = :account_id ORDER BY id"
)
_PAGE = text("""
SELECT id, name, is_default, disabled_at FROM senders
WHERE account_id = :account_id AND id > :after ORDER BY id LIMIT :limit
""")
_LOCK = text("""
SELECT id, name, is_default, disabled_at FROM senders WHERE account_id = :account_id ORDER BY id FOR UPDATE
""")
_DISABLE = text("""
UPDATE senders SET disabled_at = CASE WHEN :disabled THEN coalesce(disabled_at, :now) END
WHERE account_id = :account_id AND id = :id
RETURNING id, name, is_default, disabled_at
""")
# Two statements, because two rows must never be the default at the same time.
_NO_DEFAULT = text(
    "UPDATE senders SET is_default = false WHERE account_id = :account_id AND is_default AND id <> :id"
)
_MAKE_DEFAULT = text("UPDATE senders SET is_default = true WHERE account_id = :account_id AND id = :id")
_NAME = text("SELECT name FROM senders WHERE id = :id")
_INSERT = text("""
INSERT INTO senders (account_id, name, is_default)
VALUES (:account_id, :name, NOT EXISTS (SELECT 1 FROM senders WHERE account_id = :account_id AND is_default))
ON CONFLICT (account_id, name) DO NOTHING RETURNING id
""")
_USABLE = text("""
SELECT id FROM senders
WHERE account_id = :account_id AND disabled_at IS NULL
  AND CASE WHEN CAST(:id AS bigint) IS NULL THEN name = :name ELSE id = :id END
""")
_DEFAULT = text(
    "SELECT id FROM senders WHERE account_id = :account_id AND is_default AND disabled_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender ID of an account; `is_default` is for submissions that name no sender."""

    id: int
    name: str
    is_default: bool
    disabled_at: datetime | None


async def name_of(connection: AsyncConnection, sender_id: int) -> str:
    """Return the name of a sender that exists."""
    return str(await connection.scalar(_NAME, {"id": sender_id}))


async def insert(connection: AsyncConnection, account_id: int, name: str) -> int | None:
    """Write a sender, the account's first one as its default, and return its id; None if it exists."""
    return _number(await connection.scalar(_INSERT, {"account_id": account_id, "name": name}))


async def list_all(connection: AsyncConnection, account_id: int) -> list[Sender]:
    """Return all senders of an account, the oldest first."""
    return [Sender(*row) for row in await connection.execute(_ALL, {"account_id": account_id})]


async def page(connection: AsyncConnection, account_id: int, *, after: int, limit: int) -> list[Sender]:
    """Return senders of an account, the oldest first, after the one with the id `after`."""
    values = {"account_id": account_id, "after": after, "limit": limit}
    return [Sender(*row) for row in await connection.execute(_PAGE, values)]


async def lock(connection: AsyncConnection, account_id: int) -> list[Sender]:
    """Lock all senders of an account until the transaction ends, and return them."""
    return [Sender(*row) for row in await connection.execute(_LOCK, {"account_id": account_id})]


async def disable(
    connection: AsyncConnection, account_id: int, sender_id: int, *, disabled: bool, now: datetime
) -> Sender | None:
    """Disable or enable a sender and return it; None means that the account has no such sender."""
    values = {"account_id": account_id, "id": sender_id, "disabled": disabled, "now": now}
    row = (await connection.execute(_DISABLE, values)).one_or_none()
    return None if row is None else Sender(*row)


async def make_default(connection: AsyncConnection, account_id: int, sender_id: int) -> None:
    """Make one of the locked senders of an account its default."""
    values = {"account_id": account_id, "id": sender_id}
    await connection.execute(_NO_DEFAULT, values)
    await connection.execute(_MAKE_DEFAULT, values)


async def find(
    connection: AsyncConnection, account_id: int, sender_id: int | None, *, name: str | None = None
) -> int | None:
    """Return the id of a sender by its id or name, else of the default one; None if none can be used."""
    if sender_id is None and name is None:
        return _number(await connection.scalar(_DEFAULT, {"account_id": account_id}))
    if sender_id is not None and abs(sender_id) > _MAX_BIGINT:
        return None
    values = {"account_id": account_id, "id": sender_id, "name": name}
    return _number(await connection.scalar(_USABLE, values))


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
