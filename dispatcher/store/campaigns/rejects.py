"""The lines of imported files that were rejected, each with its reason and the whole row."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.campaigns.csv_cells import cells_of, join_cells


class Reject(NamedTuple):
    """A rejected line; `fields` is the whole row, as well as it could be read."""

    line: int
    reason: str
    fields: Sequence[str]


_INSERT = text("""
INSERT INTO rejects (audience_id, line, reason, raw)
SELECT :id, g.* FROM json_to_recordset(CAST(:rejects AS json)) AS g(line integer, reason text, raw text)
""")
_PAGE = text("""
SELECT line, reason, raw FROM rejects
WHERE audience_id = :id AND line > :after ORDER BY line LIMIT :limit
""")


async def insert(connection: AsyncConnection, audience_id: int, rejects: Sequence[Reject]) -> None:
    """Write the rejects of an audience."""
    if rejects:
        rows = [{"line": line, "reason": reason, "raw": _raw(fields)} for line, reason, fields in rejects]
        values = {"id": audience_id, "rejects": json.dumps(rows, ensure_ascii=False)}
        await connection.execute(_INSERT, values)


async def page(
    connection: AsyncConnection, audience_id: int, *, are_rows: bool, after_line: int, limit: int
) -> list[Reject]:
    """
    Return rejects in the order of their lines, after line `after_line`.

    Without `are_rows`, an earlier version wrote the beginning of each line.
    """
    values = {"id": audience_id, "after": after_line, "limit": limit}
    rows = await connection.execute(_PAGE, values)
    return [Reject(r.line, r.reason, cells_of(r.raw) if are_rows else [r.raw]) for r in rows]


def _raw(fields: Sequence[str]) -> str:
    """Return a row as Postgres stores it: a line of CSV, without NUL."""
    return join_cells(fields).replace("\0", "\N{REPLACEMENT CHARACTER}")
