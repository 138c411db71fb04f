"""Tables of routes: all are kept, and the newest is in force."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# The accounts in a table are returned with it, because a message has only the id of its account.
_NEWER = text("""
SELECT r.id, CAST(r.document AS text) AS document, r.set_at, r.set_by,
       ARRAY(
           SELECT CAST(a.id AS text) || ' ' || a.name
           FROM jsonb_path_query(r.document, '$.rules[*].accounts[*]') AS n
           JOIN accounts a ON a.name = n #>> '{}'
       ) AS accounts
FROM routes r WHERE r.id > :known ORDER BY r.id DESC LIMIT 1
""")
_INSERT = text("INSERT INTO routes (document, set_by) VALUES (CAST(:document AS jsonb), :set_by)")
_EXISTING_ACCOUNTS = text("SELECT name FROM accounts WHERE name = ANY(CAST(:names AS text[]))")


@dataclass(frozen=True, slots=True)
class SetTable:
    """A stored table: its document, when and by whom it was set, and the names of its accounts by id."""

    id: int
    document: Mapping[str, object]
    set_at: datetime
    set_by: str
    accounts: Mapping[int, str]


async def newer(connection: AsyncConnection, known: int) -> SetTable | None:
    """Return the newest table, if it is newer than the one with the id `known`."""
    row = (await connection.execute(_NEWER, {"known": known})).one_or_none()
    if row is None:
        return None
    accounts = {int(number): name for number, _, name in (pair.partition(" ") for pair in row.accounts)}
    return SetTable(row.id, json.loads(row.document), row.set_at, row.set_by, accounts)


async def insert(connection: AsyncConnection, document: Mapping[str, object], *, set_by: str) -> None:
    """Write a table; it is in force when the transaction ends."""
    await connection.execute(_INSERT, {"document": json.dumps(document), "set_by": set_by})


async def existing_accounts(connection: AsyncConnection, names: Collection[str]) -> frozenset[str]:
    """Return those of these names that accounts have."""
    return frozenset(await connection.scalars(_EXISTING_ACCOUNTS, {"names": list(names)}))
