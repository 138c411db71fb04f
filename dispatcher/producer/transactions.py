"""
The transaction of a web backend on its connection, which may be psycopg's, SQLAlchemy's or Django's.

Only the library that the connection belongs to is used, and it is imported already.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.pq import PipelineStatus, TransactionStatus

from dispatcher.domain.errors import Invalid

Action = Callable[[], None]

_ACCEPTED = (
    "connection must be a psycopg.Connection, a SQLAlchemy Connection or Session, or Django's connection"
    " (django.db.connection), with psycopg 3 beneath"
)
_BEGIN = (
    "connection is in autocommit mode, outside of a transaction: begin one (with connection.transaction():"
    " in psycopg, with transaction.atomic(): in Django), or leave connection out"
)
_ENDED = "the transaction of connection has failed: roll it back first"
_AFTER = "sms_dispatcher_after_commit"


def _never(_: Action) -> None:
    """Leave the action out: psycopg and a SQLAlchemy Connection do not say when they have committed."""


@dataclass(frozen=True, slots=True)
class ApplicationTransaction:
    """A transaction that a web backend has begun; `after_commit` runs an action when it has ended."""

    connection: "psycopg.Connection[Any]"
    after_commit: Callable[[Action], None] = _never


def find_transaction(connection: object) -> ApplicationTransaction:
    """
    Return the transaction of a connection, which has begun or begins with its next statement.

    Raises TypeError for what is no such connection, Invalid for one that has
    no transaction to be part of.
    """
    libraries = set(_libraries(connection))
    if isinstance(connection, psycopg.Connection):
        found = ApplicationTransaction(connection)
    elif "sqlalchemy" in libraries:
        found = _of_sqlalchemy(connection)
    elif "django" in libraries:
        found = _of_django(connection)
    else:
        raise TypeError(f"{_ACCEPTED}, not {_name(connection)}")
    _check(found.connection)
    return found


def _of_sqlalchemy(connection: Any) -> ApplicationTransaction:
    modules = {kind.__module__ for kind in type(connection).__mro__}
    if any(module.startswith("sqlalchemy.ext.asyncio") for module in modules):
        raise TypeError(f"{_ACCEPTED}, not the asynchronous {_name(connection)}")
    session = None
    if modules & {"sqlalchemy.orm.session", "sqlalchemy.orm.scoping"}:
        session, connection = connection, connection.connection()
    elif not hasattr(connection, "exec_driver_sql"):  # an Engine, or a raw connection of its pool
        raise TypeError(f"{_ACCEPTED}, not {_name(connection)}")
    if not connection.in_transaction():
        connection.begin()  # so that its commit() commits what we write
    driver = _driver(connection.connection.driver_connection)
    if session is None:
        return ApplicationTransaction(driver)
    return ApplicationTransaction(driver, lambda action: _after_session(session, action))


def _of_django(connection: Any) -> ApplicationTransaction:
    wrapper = getattr(connection, "db", connection)  # of a cursor
    if not hasattr(wrapper, "ensure_connection"):
        raise TypeError(f"{_ACCEPTED}, not {_name(connection)}")
    if wrapper.vendor != "postgresql":
        raise TypeError(f"{_ACCEPTED}, not a connection to {wrapper.vendor}")
    wrapper.ensure_connection()
    if wrapper.needs_rollback:
        raise Invalid(_ENDED)

    def after_commit(action: Action) -> None:
        if wrapper.in_atomic_block:  # else the backend commits by itself, and Django has no hook
            wrapper.on_commit(action, robust=True)

    return ApplicationTransaction(_driver(wrapper.connection), after_commit)


def _after_session(session: Any, action: Action) -> None:
    """Run an action when the session's outermost transaction has ended; a session has one listener."""
    session = session() if callable(session) else session  # scoped
    if _AFTER not in session.info:
        from sqlalchemy import event

        event.listen(session, "after_transaction_end", _run_actions)
    session.info.setdefault(_AFTER, []).append(action)


def _run_actions(session: Any, transaction: Any) -> None:
    if transaction.parent is None:
        actions, session.info[_AFTER] = session.info.get(_AFTER, []), []
        for action in actions:
            action()


def _driver(connection: object) -> "psycopg.Connection[Any]":
    if not isinstance(connection, psycopg.Connection):
        raise TypeError(f"{_ACCEPTED}, not {_name(connection)}")
    return connection


def _check(connection: "psycopg.Connection[Any]") -> None:
    """Raise Invalid unless the next statement is part of a transaction that is not over."""
    if connection.closed:
        raise Invalid("connection is closed")
    if connection.pgconn.pipeline_status != PipelineStatus.OFF:
        raise Invalid("connection is in pipeline mode: send after the pipeline's block")
    match connection.info.transaction_status:
        case TransactionStatus.INERROR:
            raise Invalid(_ENDED)
        case TransactionStatus.ACTIVE:
            raise Invalid("connection is running another statement: send when that has ended")
        case TransactionStatus.IDLE if connection.autocommit:
            raise Invalid(_BEGIN)


def _libraries(connection: object) -> Iterator[str]:
    for kind in type(connection).__mro__:
        yield kind.__module__.partition(".")[0]


def _name(connection: object) -> str:
    kind = type(connection)
    with suppress(AttributeError):
        return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    return repr(kind)
