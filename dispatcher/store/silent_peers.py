"""
Connections whose peer is silent: it answers nothing, and its TCP lives.

A hung pooler or proxy looks like this. No time-out of Postgres or of TCP ends
such a wait, so each connection has a deadline of ours while it is in use.
"""

import socket
import time
from contextlib import suppress
from datetime import timedelta

import structlog
from psycopg import OperationalError
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from dispatcher.deadlines import Deadlines

log = structlog.get_logger()

IN_USE = timedelta(seconds=12)
"""
How long a unit of work may hold a connection.

It is longer than `statement_timeout`, so that a peer that works ends a slow
statement first.
"""

PING = timedelta(seconds=1)
"""How long a connection that was idle may take to answer before it is used."""

_IDLE = 1.0
_DEADLINE, _USED = "dispatcher.deadline", "dispatcher.used"


class ConnectionDeadline:
    """The deadline of a connection. It shuts the socket down: a cancelled task would wait for the peer."""

    __slots__ = ("_connection", "_deadlines")

    def __init__(self, deadlines: Deadlines, connection: DBAPIConnection) -> None:
        self._deadlines = deadlines
        self._connection = connection

    def start(self) -> None:
        """Start the time."""
        self._deadlines.start(self)

    def stop(self) -> None:
        """Stop the time."""
        self._deadlines.stop(self)

    def __enter__(self) -> None:
        """Start the time."""
        self.start()

    def __exit__(self, *_: object) -> None:
        """Stop the time."""
        self.stop()

    def expire(self) -> None:
        """End all waits for the peer with the error of a lost connection."""
        with suppress(OperationalError, OSError):  # it is closed already
            peer = socket.socket(fileno=self._connection.driver_connection.pgconn.socket)
            try:
                peer.shutdown(socket.SHUT_RDWR)
            finally:
                peer.detach()
            log.error("postgres_silent")


def watch_connections(engine: AsyncEngine) -> None:
    """
    Give each connection a deadline from its checkout to its return.

    A connection that was idle for a while is pinged first; each time would
    cost too much. If the ping fails, the whole pool is replaced.
    """
    in_use, pings = Deadlines(IN_USE.total_seconds()), Deadlines(PING.total_seconds())
    dialect = engine.dialect

    @event.listens_for(engine.sync_engine, "checkout")
    def start(connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
        if time.monotonic() - record.info.get(_USED, time.monotonic()) > _IDLE:
            try:
                with ConnectionDeadline(pings, connection):
                    dialect.do_ping(connection)
                    connection.rollback()  # sends nothing unless a pooler made it a transaction
            except dialect.loaded_dbapi.Error as error:
                raise InvalidatePoolError("the connection was lost") from error
        record.info[_DEADLINE] = deadline = ConnectionDeadline(in_use, connection)
        deadline.start()

    @event.listens_for(engine.sync_engine, "checkin")
    def stop(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info[_USED] = time.monotonic()
        deadline = record.info.pop(_DEADLINE, None)
        if deadline is not None:
            deadline.stop()


async def deadline_of(connection: AsyncConnection) -> ConnectionDeadline:
    """Return the deadline of a connection that is in use."""
    raw = await connection.get_raw_connection()
    deadline: ConnectionDeadline = raw.info[_DEADLINE]
    return deadline
