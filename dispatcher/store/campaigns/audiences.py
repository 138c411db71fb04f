"""Audiences: lists of recipients imported from a file, and the lines of it that were rejected."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.campaigns.campaign import AudienceState
from dispatcher.domain.campaigns.csv_rejects import FileFormat
from dispatcher.store.campaigns import rejects
from dispatcher.store.campaigns.rejects import Reject


@dataclass(frozen=True, slots=True)
class Audience:
    """
    A list of recipients.

    `columns` are the variables that each of them has. Recipients live in
    groups of time zones: `zones` has the names in each group, joined by
    commas, and `zone_counts` the number of its recipients.
    """

    id: int
    public_id: UUID
    name: str
    state: AudienceState
    columns: Sequence[str]
    rows: int
    recipients: int
    zones: Sequence[str]
    zone_counts: Sequence[int]
    created_at: datetime
    ready_at: datetime | None
    file: FileFormat

    @property
    def rejects(self) -> int:
        """How many rows of the file were rejected."""
        return self.rows - self.recipients


# NamedTuples because millions are created: a frozen dataclass takes twice as long.
class Recipient(NamedTuple):
    """One recipient; `zone` is an index into the audience's zones, `country` "" if it is unknown."""

    position: int
    number: str
    number_as_given: str
    country: str
    zone: int
    variables: Mapping[str, str]


class NewRecipient(NamedTuple):
    """A recipient to be written, and the line it comes from."""

    line: int
    recipient: Recipient


_COLUMNS = """
id, public_id, name, state, columns, "rows", recipients, zones, zone_counts, created_at, ready_at,
encoding, separator, file_columns
"""

_INSERT = text(f"""
INSERT INTO audiences (public_id, account_id, name, state, columns, encoding, separator, file_columns)
VALUES (:public_id, :account_id, :name, '{AudienceState.IMPORTING}', :columns, :encoding, :separator,
    :file_columns)
ON CONFLICT (account_id, name) DO NOTHING RETURNING {_COLUMNS}
""")
_BY_ID = text(f"SELECT {_COLUMNS} FROM audiences WHERE id = :id")
_BY_NAME = text(f"SELECT {_COLUMNS} FROM audiences WHERE account_id = :account_id AND name = :name")
_BY_PUBLIC_ID = text(f"""
SELECT {_COLUMNS} FROM audiences WHERE account_id = :account_id AND public_id = :public_id
""")
_LOCK_SHARED = text(f"{_BY_PUBLIC_ID} FOR SHARE")
_PAGE = text(f"""
SELECT {_COLUMNS} FROM audiences WHERE account_id = :account_id AND id > :after ORDER BY id LIMIT :limit
""")
_LOCK_IMPORTING = text(f"""
SELECT {_COLUMNS} FROM audiences WHERE id = :id AND state = '{AudienceState.IMPORTING}' FOR UPDATE
""")
_LINES = text("""
SELECT number, line FROM recipients WHERE audience_id = :id AND number = ANY(CAST(:numbers AS text[]))
""")
# As JSON: psycopg takes ten times as long to write arrays of texts for the wire.
_INSERT_RECIPIENTS = text("""
INSERT INTO recipients (audience_id, position, line, number, number_as_given, country, zone, variables)
SELECT :id, g.* FROM json_to_recordset(CAST(:recipients AS json)) AS g(
    position integer, line integer, number text, number_as_given text, country text, zone smallint,
    variables jsonb
)
""")
_COUNT = text(f"""
UPDATE audiences SET "rows" = "rows" + :rows, recipients = recipients + :recipients,
    zones = :zones, zone_counts = :zone_counts
WHERE id = :id RETURNING {_COLUMNS}
""")
_FINISH = text(f"""
UPDATE audiences SET state = '{AudienceState.READY}', ready_at = :now
WHERE id = :id AND state = '{AudienceState.IMPORTING}' RETURNING {_COLUMNS}
""")
_LOCK = text("SELECT state FROM audiences WHERE id = :id FOR UPDATE")
_CAMPAIGN = text("""
SELECT c.name FROM campaigns c JOIN audiences a ON a.account_id = c.account_id AND a.id = c.audience_id
WHERE a.id = :id ORDER BY c.id LIMIT 1
""")
_START_REMOVAL = text(f"UPDATE audiences SET state = '{AudienceState.REMOVING}' WHERE id = :id")
# Rows are deleted by ctid: by position they would be joined, with a bad plan if the statistics are old.
_DELETE_RECIPIENTS = text("""
DELETE FROM recipients WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM recipients WHERE audience_id = :id ORDER BY position LIMIT :limit
))
""")
_DELETE_REJECTS = text("""
DELETE FROM rejects WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM rejects WHERE audience_id = :id ORDER BY line LIMIT :limit
))
""")
_DELETE = text("DELETE FROM audiences WHERE id = :id")


async def insert(
    connection: AsyncConnection,
    account_id: int,
    *,
    public_id: UUID,
    name: str,
    columns: Sequence[str],
    file: FileFormat,
) -> Audience | None:
    """Write an audience that is being imported and return it; None means that the name is taken."""
    values = {
        "public_id": public_id,
        "account_id": account_id,
        "name": name,
        "columns": list(columns),
        "encoding": file.encoding,
        "separator": file.separator,
        "file_columns": list(file.columns),
    }
    return _audience((await connection.execute(_INSERT, values)).one_or_none())


async def find(connection: AsyncConnection, account_id: int, name: str | UUID) -> Audience | None:
    """Return an audience of this account, by its name or its public id."""
    values: dict[str, object] = {"account_id": account_id}
    if isinstance(name, UUID):
        found = await connection.execute(_BY_PUBLIC_ID, {**values, "public_id": name})
    else:
        found = await connection.execute(_BY_NAME, {**values, "name": name})
    return _audience(found.one_or_none())


async def by_id(connection: AsyncConnection, audience_id: int) -> Audience:
    """Return the audience of a campaign, which cannot be removed while the campaign has it."""
    return _read((await connection.execute(_BY_ID, {"id": audience_id})).one())


async def lock_shared(connection: AsyncConnection, account_id: int, public_id: UUID) -> Audience | None:
    """Return an audience of this account, which then cannot be removed until the transaction ends."""
    values = {"account_id": account_id, "public_id": public_id}
    return _audience((await connection.execute(_LOCK_SHARED, values)).one_or_none())


async def page(connection: AsyncConnection, account_id: int, *, after: int, limit: int) -> list[Audience]:
    """Return audiences of an account, the oldest first, after the one with the id `after`."""
    values = {"account_id": account_id, "after": after, "limit": limit}
    return [_read(row) for row in await connection.execute(_PAGE, values)]


async def lock_importing(connection: AsyncConnection, audience_id: int) -> Audience | None:
    """Lock an audience that is being imported and return it; None means that it no longer is."""
    return _audience((await connection.execute(_LOCK_IMPORTING, {"id": audience_id})).one_or_none())


async def lines_of(
    connection: AsyncConnection, audience_id: int, numbers: Sequence[str]
) -> Mapping[str, int]:
    """Return which of these numbers the audience has, and the line of each."""
    rows = await connection.execute(_LINES, {"id": audience_id, "numbers": list(numbers)})
    return {row.number: row.line for row in rows}


async def add(
    connection: AsyncConnection,
    audience: Audience,
    new: Sequence[NewRecipient],
    rejected: Sequence[Reject],
    *,
    zones: Sequence[str],
) -> Audience:
    """Write recipients and rejects of a locked audience and return it; `zones` are all groups it then has."""
    if new:
        written = _json({"line": line, **recipient._asdict()} for line, recipient in new)
        await connection.execute(_INSERT_RECIPIENTS, {"id": audience.id, "recipients": written})
    await rejects.insert(connection, audience.id, rejected)
    counts = [*audience.zone_counts, *(0 for _ in zones[len(audience.zone_counts) :])]
    for added in new:
        counts[added.recipient.zone] += 1
    counted = {
        "id": audience.id,
        "rows": len(new) + len(rejected),
        "recipients": len(new),
        "zones": list(zones),
        "zone_counts": counts,
    }
    return _read((await connection.execute(_COUNT, counted)).one())


async def finish(connection: AsyncConnection, audience_id: int, *, now: datetime) -> Audience | None:
    """Mark an audience as ready and return it; None means that it is no longer being imported."""
    return _audience((await connection.execute(_FINISH, {"id": audience_id, "now": now})).one_or_none())


async def lock(connection: AsyncConnection, audience_id: int) -> AudienceState | None:
    """Lock an audience and return its state; None means that it is gone."""
    state = await connection.scalar(_LOCK, {"id": audience_id})
    return None if state is None else AudienceState(state)


async def campaign_of(connection: AsyncConnection, audience_id: int) -> str | None:
    """Return the name of a campaign that uses the audience; None means that none does."""
    name = await connection.scalar(_CAMPAIGN, {"id": audience_id})
    return None if name is None else str(name)


async def start_removal(connection: AsyncConnection, audience_id: int) -> None:
    """Begin to remove a locked audience: from now on nothing is added to it, and it is not ready."""
    await connection.execute(_START_REMOVAL, {"id": audience_id})


async def delete_chunk(connection: AsyncConnection, audience_id: int, *, limit: int) -> int:
    """Delete up to `limit` recipients and as many rejects; return how many, 0 at the end."""
    values = {"id": audience_id, "limit": limit}
    deleted = [
        await connection.execute(statement, values) for statement in (_DELETE_RECIPIENTS, _DELETE_REJECTS)
    ]
    return sum(result.rowcount for result in deleted)


async def delete(connection: AsyncConnection, audience_id: int) -> None:
    """Delete an audience and what is left of it."""
    await connection.execute(_DELETE, {"id": audience_id})


def _json(rows: Iterable[Mapping[str, object]]) -> str:
    return json.dumps(list(rows), ensure_ascii=False)


def _audience(row: Row[Any] | None) -> Audience | None:
    return None if row is None else _read(row)


def _read(row: Row[Any]) -> Audience:
    values = dict(row._mapping)
    written = FileFormat(values.pop("encoding"), values.pop("separator"), values.pop("file_columns"))
    return Audience(**{**values, "state": AudienceState(row.state), "file": written})
