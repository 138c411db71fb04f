"""The one transaction helper. Everything that reads or writes Postgres goes through it."""

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

T = TypeVar("T")

_TRIES = 5


class StatementRunner(Protocol):
    """Runs a piece of work that is one statement, as `Database.single` does."""

    def __call__(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> Awaitable[T]: ...  # noqa: D102 - told by the class


class Database:
    """
    Runs pieces of work, each in one transaction.

    `contact` counts unbroken contact: it grows by one each time Postgres is
    found again after it was away, so that who cares can tell a new period.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._away = False
        self.reconnects = 0

    async def transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """
        Run `work` in a transaction, again from the start after a deadlock or serialization failure.

        Raises Unavailable when Postgres is away or read-only; whether a commit
        that was under way got through is then unknown.
        """

        async def once() -> T:
            async with self._engine.begin() as connection:
                return await work(connection)

        return await self._persist(once)

    async def single(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """
        Run `work` that is one statement: it commits with the statement, which saves two round trips.

        Retries and raises as `transact` does.
        """

        async def once() -> T:
            async with self._autocommit.connect() as connection:
                return await work(connection)

        return await self._persist(once)

    @asynccontextmanager
    async def one_connection(self) -> AsyncIterator[StatementRunner]:
        """
        Run pieces of work, each one statement, on one connection: for temporary tables.

        It is nobody else's until the block ends, and is closed then, so that
        nothing temporary outlasts it. Retries and raises as `single` does.
        """

        async def connect() -> AsyncConnection:
            return await self._autocommit.connect()

        connection = await self._persist(connect)
        try:
            yield lambda work: self._persist(lambda: work(connection))
        finally:
            await connection.invalidate()
            await connection.close()

    async def _persist(self, once: Callable[[], Awaitable[T]]) -> T:
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
"""What a client is told to wait when Postgres is away."""
