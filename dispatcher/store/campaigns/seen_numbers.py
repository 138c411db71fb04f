"""The numbers of a file so far, in a temporary table, so that they do not fill the memory of the process."""

from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_CREATE = text("CREATE TEMPORARY TABLE seen (number text PRIMARY KEY, line integer NOT NULL)")
_LINES = text("SELECT number, line FROM seen WHERE number = ANY(CAST(:numbers AS text[]))")
_INSERT = text("""
INSERT INTO seen (number, line)
SELECT * FROM unnest(CAST(:numbers AS text[]), CAST(:lines AS integer[]))
""")


async def create(connection: AsyncConnection) -> None:
    """Create the table, which lasts as long as the connection."""
    await connection.execute(_CREATE)


async def lines_of(connection: AsyncConnection, numbers: Sequence[str]) -> Mapping[str, int]:
    """Return those of these numbers that were seen before, with the line of each."""
    rows = await connection.execute(_LINES, {"numbers": list(numbers)})
    return {row.number: row.line for row in rows}


async def add(connection: AsyncConnection, lines: Mapping[str, int]) -> None:
    """Write numbers that were not seen before, with their lines."""
    await connection.execute(_INSERT, {"numbers": list(lines), "lines": list(lines.values())})
