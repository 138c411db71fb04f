"""
A connection of an application: our statements run on it, inside the application's transaction.

Nothing that the application has set on it changes them, and nothing that they
need stays set. They are the statements that also run on our own connections.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.rows import TupleRow, tuple_row
from sqlalchemy import text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine.result import IteratorResult, Result, SimpleResultMetaData
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import TextClause

from dispatcher.store.engine import ArrayDumper

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]

# Not those of the connection: an application may read times without their zones there, or JSON as text.
_ADAPTERS = AdaptersMap(psycopg.adapters)
_ADAPTERS.register_dumper(list, ArrayDumper)

# What our statements, their values and their deadlines need. A time-out that the application has set stays.
_SETTINGS = {
    "client_encoding": "UTF8",
    "timezone": "UTC",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "jit": "off",
    "enable_seqscan": "off",
    "statement_timeout": "10000",
    "lock_timeout": "5000",
}

_SAVEPOINT = text("SAVEPOINT sms_dispatcher")
_RELEASE = text("RELEASE SAVEPOINT sms_dispatcher")
_ROLLBACK = text("ROLLBACK TO SAVEPOINT sms_dispatcher")

_SERVER = "current_database() || ' since ' || extract(epoch FROM pg_postmaster_start_time())"
_OURS = text(f"""
SELECT quote_ident(n.nspname) || ', pg_temp' AS search_path, {_SERVER} AS server
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass('batches')
""")
# Each row is read before its setting is changed.
_SET = text(f"""
WITH present AS MATERIALIZED (
    SELECT name, value, current_setting(name) AS old
    FROM unnest(CAST(:names AS text[]), CAST(:values AS text[])) AS s(name, value)
)
SELECT name, old, {_SERVER} AS server, current_setting('transaction_read_only') = 'on' AS is_read_only,
       set_config(name, CASE WHEN name LIKE '%_timeout' AND old <> '0' THEN old ELSE value END, true)
FROM present
""")
_RESTORE = text("""
SELECT set_config(name, value, true)
FROM unnest(CAST(:names AS text[]), CAST(:values AS text[])) AS s(name, value)
""")


@dataclass(frozen=True, slots=True)
class TablesLocation:
    """The search path that finds our tables, and the database and server that they are in."""

    search_path: str
    server: str


@dataclass(frozen=True, slots=True)
class JoinedSettings:
    """The settings that a connection had before ours, and the database and server that it reaches."""

    old: Mapping[str, str]
    server: str
    is_read_only: bool


class JoinedConnection:
    """
    The part of an AsyncConnection that accepting a submission uses, on an application's connection.

    Its coroutines block, and never wait for an event loop.
    """

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    async def execute(
        self, statement: TextClause, parameters: Mapping[str, object] | None = None
    ) -> Result[Any]:
        """Return the rows of a statement."""
        with _Cursor(self._connection, row_factory=tuple_row) as cursor:
            cursor.execute(_sql(statement), parameters or {})
            columns = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall() if columns else []
        return IteratorResult(SimpleResultMetaData(columns), iter(rows))

    async def scalar(self, statement: TextClause, parameters: Mapping[str, object] | None = None) -> Any:
        """Return the first column of the first row, None without rows."""
        return (await self.execute(statement, parameters)).scalar()


class _Cursor(psycopg.Cursor[TupleRow]):
    """A cursor of psycopg itself, whatever cursors the connection makes, with our adapters."""

    @property
    def adapters(self) -> AdaptersMap:
        return _ADAPTERS


@cache
def _sql(statement: TextClause) -> str:
    """Return a statement, a constant of its module, as SQLAlchemy passes it to psycopg."""
    return str(statement.compile(dialect=_DIALECT))


async def find_tables(connection: AsyncConnection) -> TablesLocation:
    """Return where our tables are, on a connection of ours."""
    row = (await connection.execute(_OURS)).one()
    return TablesLocation(row.search_path, row.server)


async def begin_savepoint(connection: AsyncConnection) -> None:
    """Begin the part of the transaction that can be rolled back by itself."""
    await connection.execute(_SAVEPOINT)


async def release_savepoint(connection: AsyncConnection) -> None:
    """Keep what was written since the savepoint, if the transaction commits."""
    await connection.execute(_RELEASE)


async def roll_back_to_savepoint(connection: AsyncConnection) -> None:
    """Undo what was written and set since the savepoint, also after an error."""
    await connection.execute(_ROLLBACK)
    await connection.execute(_RELEASE)


async def use_settings(connection: AsyncConnection, tables: TablesLocation) -> JoinedSettings:
    """Set what our statements need until the transaction ends; return what was set before."""
    settings = {**_SETTINGS, "search_path": tables.search_path}
    values = {"names": list(settings), "values": list(settings.values())}
    rows = (await connection.execute(_SET, values)).all()
    return JoinedSettings({row.name: row.old for row in rows}, rows[0].server, rows[0].is_read_only)


async def restore(connection: AsyncConnection, settings: JoinedSettings) -> None:
    """Set again what the application had set."""
    values = {"names": list(settings.old), "values": list(settings.old.values())}
    await connection.execute(_RESTORE, values)
