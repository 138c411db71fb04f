"""The connection to Postgres: the pool, time-outs, lists as parameters, and the kinds of errors."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import DataError
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from dispatcher.store.database_url import sqlalchemy_url
from dispatcher.store.pooler import Connector, detect_poolers
from dispatcher.store.silent_peers import watch_connections

RETRYABLE = frozenset({"40001", "40P01"})
"""The codes of a serialization failure and a deadlock."""

_READ_ONLY = "25006"


def open_engine(url: str, *, pool_size: int, name: str) -> AsyncEngine:
    """Return an engine that connects on first use. pg_stat_activity shows `name`."""
    engine = create_async_engine(
        sqlalchemy_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_use_lifo=True,
        pool_recycle=1800,
        hide_parameters=True,  # errors are logged, and the texts of messages must not be
        connect_args={
            "async_creator_fn": Connector(),
            "application_name": f"sms-dispatcher {name}",
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "tcp_user_timeout": 15000,
        },
    )
    detect_poolers(engine)
    watch_connections(engine)
    event.listen(engine.sync_engine, "connect", _register_array_dumper)
    event.listen(engine.sync_engine, "handle_error", _leave_read_only_server)
    return engine


def _register_array_dumper(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.adapters.register_dumper(list, ArrayDumper)


def _leave_read_only_server(context: ExceptionContext) -> None:
    """Replace all connections once a server is read-only: another server may have taken its place."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True


def is_retryable(error: DBAPIError) -> bool:
    """Return whether the transaction can be repeated: a serialization failure or a deadlock."""
    return getattr(error.orig, "sqlstate", None) in RETRYABLE


def is_unavailable(error: BaseException) -> bool:
    """Return whether Postgres is unreachable, starting or read-only, or has no free connection."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate is None:
        return isinstance(error, OperationalError) or error.connection_invalidated
    return means_unavailable(sqlstate)


def means_unavailable(sqlstate: str) -> bool:
    """Return whether an error of this code passes when Postgres is reachable, or has time, again."""
    # 08 connection, 53 resources, 57P0x shutdown, 57014 time-out, 25006 read-only, 55P03 lock
    # time-out, 25P03 idle in transaction
    return sqlstate[:2] in {"08", "53"} or sqlstate in {
        "57P01", "57P02", "57P03", "57014", _READ_ONLY, "55P03", "25P03",
    }  # fmt: skip


class ArrayDumper(Dumper):
    """
    Writes a flat list as a Postgres array. Raises DataError for items that cannot be in one.

    psycopg determines the type of each list from its items and dumps them one
    by one, which was a fifth of the cost of a submission. Here a list is written
    at once and its type is left to the statement, as in CAST(:ids AS bigint[]).
    So a statement is prepared once, not once for each combination of types.
    """

    format = Format.TEXT
    oid = 0  # unknown: the statement casts it

    def dump(self, obj: list[Any]) -> bytes:
        """Return a list as the bytes of a Postgres array."""
        return array(obj).encode()


def array(items: list[Any]) -> str:
    """Return a list as the text of a Postgres array."""
    types = set(map(type, items))
    if len(types) == 1:
        [item_type] = types
        write = _WRITE.get(item_type) or _writer(item_type)
        if write is not _text:
            return "{" + ",".join(map(write, items)) + "}"
        joined = '","'.join(items)
        if joined.count('"') == 2 * (len(items) - 1) and "\\" not in joined and "\0" not in joined:
            return f'{{"{joined}"}}'
    return "{" + ",".join([(_WRITE.get(type(item)) or _writer(type(item)))(item) for item in items]) + "}"


def _text(item: str) -> str:
    if "\0" in item:
        raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    escaped = item.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_WRITE: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "NULL",
    bool: lambda item: "t" if item else "f",
    int: str,
    float: repr,
    str: _text,
    UUID: lambda item: item.hex,
    datetime: datetime.isoformat,
    timedelta: lambda item: f"{item / timedelta(microseconds=1):.0f}us",
    bytes: lambda item: f'"\\\\x{item.hex()}"',
}


def _writer(item_type: type) -> Callable[[Any], str]:
    """Return the writer for a subclass, such as a StrEnum."""
    for base in (str, int):
        if issubclass(item_type, base):
            return lambda item: _WRITE[base](base(item))
    raise DataError(f"a list of {item_type.__name__} cannot be a parameter")
