"""
Work inside a transaction that an application has begun, on its connection.

The application commits it or rolls it back. Our part is a savepoint, so that
an error in it leaves the application's transaction as it was.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import Invalid, Misconfigured, Unavailable
from dispatcher.service.database import Database
from dispatcher.store import joined_connection
from dispatcher.store.engine import RETRYABLE, means_unavailable
from dispatcher.store.joined_connection import JoinedConnection, JoinedSettings, TablesLocation

T = TypeVar("T")


class JoinedTransaction:
    """
    Runs units of work in a savepoint of an application's transaction, as `Database` runs them in its own.

    Its coroutine needs no loop, and runs in the thread that uses the connection.
    """

    def __init__(self, connection: "psycopg.Connection[Any]", tables: TablesLocation) -> None:
        self._connection = cast("AsyncConnection", JoinedConnection(connection))
        self._tables = tables

    async def transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """
        Return the result of `work`.

        Nothing is repeated: after a deadlock, a serialization failure or a
        time-out it raises Unavailable, and the application may roll back and
        begin again. Raises Invalid for a connection that cannot write to our
        tables, Misconfigured for a role that may not.
        """
        try:
            await joined_connection.begin_savepoint(self._connection)
            try:
                settings = await joined_connection.use_settings(self._connection, self._tables)
                self._check(settings)
                result = await work(self._connection)
                await joined_connection.restore(self._connection, settings)
            except BaseException:
                with suppress(psycopg.Error):  # the first error says more
                    await joined_connection.roll_back_to_savepoint(self._connection)
                raise
            await joined_connection.release_savepoint(self._connection)
        except psycopg.Error as error:
            raise _translated(error) from error
        return result

    def _check(self, settings: JoinedSettings) -> None:
        """Raise Invalid for a connection to another database, and for a read-only transaction."""
        if settings.server != self._tables.server:
            there, ours = (server.partition(" ")[0] for server in (settings.server, self._tables.server))
            raise Invalid(
                f"connection reaches the database {there!r}, and not the database {ours!r} of"
                " DATABASE_URL on its server: messages can be part of a transaction only there"
            )
        if settings.is_read_only:
            raise Invalid("the transaction of connection is read-only: messages cannot be part of it")


async def find_tables(database: Database) -> TablesLocation:
    """Return where the dispatcher's tables are. Raises Unavailable."""
    return await database.single(joined_connection.find_tables)


def _translated(error: psycopg.Error) -> Exception:
    """Return the error that an application gets for an error of Postgres; a bug of ours stays as it is."""
    sqlstate, said = error.sqlstate, str(error).partition("\n")[0]
    if sqlstate in RETRYABLE:
        return Unavailable(f"{said}: roll the transaction back, and begin it again")
    if sqlstate is None or means_unavailable(sqlstate):
        return Unavailable(f"the message is not part of the transaction: {said}")
    if sqlstate == "42501":
        return Misconfigured(f"{said}: grant the role of this connection what docs/producer.md lists")
    return error
