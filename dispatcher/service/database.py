"""Transactions: every read and write of Postgres goes through `Database`."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dispatcher.domain.errors import Unavailable
from dispatcher.store.engine import is_retryable, is_unavailable
from dispatcher.store.pooler import allow_pauses
from dispatcher.store.silent_peers import deadline_of

T = TypeVar("T")

_TRIES = 5


class StatementRunner(Protocol):
    """Runs work that is one statement, as `Database.single` does."""

    def __call__(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> Awaitable[T]: ...  # noqa: D102 - the class says it


class Database:
    """
    Runs units of work, each in one transaction.

    `reconnects` counts how often Postgres was reached again after it could not
    be reached.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._away = False
        self.reconnects = 0

    async def transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """
        Return the result of `work`, run in a transaction.

        After a deadlock or serialization failure it runs again from the start.
        Raises Unavailable when Postgres cannot be reached or is read-only; it
        is then unknown whether a commit that had begun took effect.
        """

        async def once() -> T:
            async with self._engine.begin() as connection:
                return await work(connection)

        return await self._with_retries(once)

    async def single(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """
        Return the result of `work` that is one statement.

        It commits with the statement, which saves two round trips, or behind a
        pooler as a transaction. Retries and raises as `transact` does.
        """

        async def once() -> T:
            async with self._autocommit.begin() as connection:
                return await work(connection)

        return await self._with_retries(once)

    @asynccontextmanager
    async def one_connection(self) -> AsyncIterator[StatementRunner]:
        """
        Reserve one connection for statements that share a temporary table.

        The connection is closed when the block ends, so that no temporary table
        outlives it: behind a pooler they are one transaction, which is rolled
        back. Each statement has a deadline of its own, and retries and raises
        as `single` does.
        """

        async def connect() -> AsyncConnection:
            connection = await self._autocommit.connect()
            await allow_pauses(connection)
            return connection

        connection = await self._with_retries(connect)
        deadline = await deadline_of(connection)
        deadline.stop()

        async def run(work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
            async def once() -> T:
                with deadline:
                    return await work(connection)

            return await self._with_retries(once)

        try:
            yield run
        finally:
            await connection.invalidate()
            await connection.close()

    async def _with_retries(self, once: Callable[[], Awaitable[T]]) -> T:
        for attempt in range(1, _TRIES + 1):
            try:
                result = await once()
            except PoolTimeout as error:
                raise Unavailable("all database connections are in use; try again") from error
            except (DBAPIError, OSError) as error:
                if isinstance(error, DBAPIError) and is_retryable(error) and attempt < _TRIES:
                    await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311
                    continue
                if isinstance(error, OSError) or is_unavailable(error):
                    self._away = True
                    raise Unavailable("the database cannot be reached; try again") from error
                raise
            if self._away:
                self._away, self.reconnects = False, self.reconnects + 1
            return result
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


RETRY_AFTER = timedelta(seconds=5)
"""How long a client is asked to wait when Postgres cannot be reached."""
