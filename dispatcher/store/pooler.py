"""
Connections through a pooler, such as PgBouncer, whose settings hold in its transaction mode as well.

In that mode each transaction may run on another connection to Postgres, on
which others run theirs. What was set for a session or prepared there is lost,
or is found by a stranger; so is a start-up option, which a pooler refuses or
ignores.
"""

from typing import Any

from psycopg import AsyncConnection, OperationalError, errors, generators
from psycopg.abc import PQGen
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.rows import TupleRow
from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection as EngineConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

from dispatcher.deadlines import Deadlines
from dispatcher.store.silent_peers import PING, ConnectionDeadline

# The time-outs are short, so that a process that was stopped in a transaction does not block others.
# Sequential scans are off because every statement of ours has an index; right after a bulk load the
# planner's statistics would make it scan instead, for each row of a join.
_SETTINGS = {
    "statement_timeout": "10000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "10000",
    "timezone": "UTC",
    "jit": "off",
    "enable_seqscan": "off",
}
_OPTIONS = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
_BEGIN = "; ".join(
    ["BEGIN", *(f"SET LOCAL {name} = '{value}'" for name, value in _SETTINGS.items())]
).encode()
_ALLOW_PAUSES = text("SET idle_in_transaction_session_timeout = 0")
_REFUSED = "unsupported startup parameter"  # as PgBouncer says it


class PoolableConnection(AsyncConnection[TupleRow]):
    """
    A connection to Postgres, or to a pooler.

    To Postgres the settings are start-up options. To a pooler they are set
    with each BEGIN, in the same round trip, and nothing runs outside a
    transaction: `autocommit` has no effect, so the caller commits.
    """

    is_pooled = False

    def use_pooler(self) -> None:
        """Set the settings in each transaction from now on, and prepare no statement."""
        self.is_pooled, self.prepare_threshold = True, None

    async def set_autocommit(self, value: bool) -> None:
        """Set whether each statement is a transaction of its own; do nothing behind a pooler."""
        if not self.is_pooled:
            await super().set_autocommit(value)

    def _start_query(self) -> PQGen[None]:
        """Begin a transaction if none has begun; psycopg calls this before each statement."""
        if not self.is_pooled:
            yield from super()._start_query()
        elif self.pgconn.transaction_status == TransactionStatus.IDLE:
            self.pgconn.send_query(_BEGIN)
            for result in (yield from generators.execute(self.pgconn)):
                if result.status != ExecStatus.COMMAND_OK:
                    raise errors.error_from_result(result)


class Connector:
    """Opens the connections of an engine; it is SQLAlchemy's `async_creator_fn`."""

    def __init__(self) -> None:
        self._takes_options = True

    async def __call__(self, *, options: str = "", **arguments: Any) -> PoolableConnection:
        """
        Return a connection with our settings, also from a pooler that refuses them at start-up.

        `options` are those of the URL. A pooler that refuses them cannot be used with that URL.
        """
        if self._takes_options:
            try:
                return await PoolableConnection.connect(options=f"{options} {_OPTIONS}", **arguments)
            except OperationalError as error:
                if _REFUSED not in str(error):
                    raise
                self._takes_options = False
        connection = await PoolableConnection.connect(options=options, **arguments)
        connection.use_pooler()
        return connection


def detect_poolers(engine: AsyncEngine) -> None:
    """Ask on each new connection whether a pooler has accepted our options, and ignores them."""
    deadlines = Deadlines(PING.total_seconds())

    @event.listens_for(engine.sync_engine, "connect")
    def detect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        opened: PoolableConnection = connection.driver_connection
        if opened.is_pooled:
            return
        with ConnectionDeadline(deadlines, connection):
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute("SELECT pg_backend_pid()")
            [pid] = cursor.fetchone() or [None]
            cursor.close()
            connection.autocommit = False
        if pid != opened.info.backend_pid:
            opened.use_pooler()


async def allow_pauses(connection: EngineConnection) -> None:
    """Allow long pauses between the statements of a connection, which is closed afterwards."""
    await connection.execute(_ALLOW_PAUSES)
