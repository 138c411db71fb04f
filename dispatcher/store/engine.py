"""How we connect to Postgres: pool, time-outs, and which errors mean what."""

import time

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from dispatcher.store.arrays import ArrayDumper

# Short, so that a process that was stopped in the middle holds up nobody.
# Every statement of ours has its index; right after a bulk load the planner's statistics would have it
# scan instead, for each row of a join.
_SESSION = (
    "-c statement_timeout=15000 -c lock_timeout=5000"
    " -c idle_in_transaction_session_timeout=10000 -c timezone=UTC -c jit=off -c enable_seqscan=off"
)

_IDLE = 1.0
_USED = "dispatcher.used"


def open_engine(url: str, *, pool_size: int, name: str) -> AsyncEngine:
    """Make an engine; nothing is connected yet. `name` is what pg_stat_activity shows."""
    engine = create_async_engine(
        sqlalchemy_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_use_lifo=True,
        pool_recycle=1800,
        hide_parameters=True,  # an error's text goes to the log, a message's does not
        connect_args={
            "options": _SESSION,
            "application_name": f"sms-dispatcher {name}",
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "tcp_user_timeout": 15000,
        },
    )
    _ping_when_idle(engine)
    event.listen(engine.sync_engine, "connect", _write_lists_our_way)
    return engine


def _write_lists_our_way(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.adapters.register_dumper(list, ArrayDumper)


def _ping_when_idle(engine: AsyncEngine) -> None:
    """Ask a connection whether it lives if it was idle for a while; each time would cost too much."""
    dialect = engine.dialect

    @event.listens_for(engine.sync_engine, "checkin")
    def used(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info[_USED] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def ping(connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
        if time.monotonic() - record.info.get(_USED, time.monotonic()) > _IDLE:
            try:
                dialect.do_ping(connection)
            except dialect.loaded_dbapi.Error as error:
                raise InvalidatePoolError("the connection had died") from error


def sqlalchemy_url(url: str) -> str:
    """Take any spelling of a Postgres URL and name the psycopg driver in it."""
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def is_retryable(error: DBAPIError) -> bool:
    """Tell a serialization failure or a deadlock, where the whole transaction may run again."""
    return getattr(error.orig, "sqlstate", None) in {"40001", "40P01"}


def is_unavailable(error: BaseException) -> bool:
    """Tell that Postgres cannot be reached, is starting, is read-only, or has no connection to spare."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate is None:
        return isinstance(error, OperationalError) or error.connection_invalidated
    # 08 connection, 53 resources, 57P0x shutdown, 57014 time-out, 25006 read-only, 55P03 lock
    # time-out, 25P03 idle in transaction
    return sqlstate[:2] in {"08", "53"} or sqlstate in {
        "57P01", "57P02", "57P03", "57014", "25006", "55P03", "25P03",
    }  # fmt: skip
