"""Templates of accounts. A removed template stays in the table for the batches that used it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Template:
    """A text with variables. Callers refer to it by `public_id`."""

    id: int
    public_id: str
    name: str
    text: str
    created_at: datetime
    updated_at: datetime


_COLUMNS = "id, public_id, name, text, created_at, updated_at"

_INSERT = text(f"""
INSERT INTO templates (public_id, account_id, name, text) VALUES (:public_id, :account_id, :name, :text)
ON CONFLICT (account_id, name) WHERE removed_at IS NULL DO NOTHING RETURNING {_COLUMNS}
""")
_FIND = text(f"""
SELECT {_COLUMNS} FROM templates
WHERE account_id = :account_id AND public_id = :public_id AND removed_at IS NULL
""")
_ALL = text(f"""
SELECT {_COLUMNS} FROM templates
WHERE account_id = :account_id AND id > :after AND removed_at IS NULL ORDER BY id LIMIT :limit
""")
_CHANGE = text(f"""
UPDATE templates SET text = :text, updated_at = now()
WHERE account_id = :account_id AND public_id = :public_id AND removed_at IS NULL RETURNING {_COLUMNS}
""")
_REMOVE = text("""
UPDATE templates SET removed_at = now()
WHERE account_id = :account_id AND public_id = :public_id AND removed_at IS NULL RETURNING id
""")


async def insert(
    connection: AsyncConnection, account_id: int, *, public_id: str, name: str, content: str
) -> Template | None:
    """Write a template and return it; None means that the name is taken."""
    values = {"account_id": account_id, "public_id": public_id, "name": name, "text": content}
    return _template((await connection.execute(_INSERT, values)).one_or_none())


async def find(connection: AsyncConnection, account_id: int, public_id: str) -> Template | None:
    """Return a template of this account."""
    values = {"account_id": account_id, "public_id": public_id}
    return _template((await connection.execute(_FIND, values)).one_or_none())


async def page(connection: AsyncConnection, account_id: int, *, after: int, limit: int) -> list[Template]:
    """Return templates of an account, the oldest first, after the one with the id `after`."""
    rows = await connection.execute(_ALL, {"account_id": account_id, "after": after, "limit": limit})
    return [Template(*row) for row in rows]


async def change(
    connection: AsyncConnection, account_id: int, public_id: str, *, content: str
) -> Template | None:
    """Change the text of a template and return it; messages submitted before keep theirs."""
    values = {"account_id": account_id, "public_id": public_id, "text": content}
    return _template((await connection.execute(_CHANGE, values)).one_or_none())


async def remove(connection: AsyncConnection, account_id: int, public_id: str) -> bool:
    """Remove a template; False means that there is none."""
    values = {"account_id": account_id, "public_id": public_id}
    return await connection.scalar(_REMOVE, values) is not None


def _template(row: Row[Any] | None) -> Template | None:
    return None if row is None else Template(*tuple(row))
