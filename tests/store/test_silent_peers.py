"""A Postgres peer that is silent while its TCP lives costs a bounded time, and is replaced."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import Unavailable
from dispatcher.service.database import Database
from dispatcher.store import silent_peers
from dispatcher.store.engine import open_engine
from tests.silent_proxy import SilentProxy, silent_proxy


@pytest.fixture(autouse=True)
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silent_peers, "IN_USE", timedelta(seconds=0.5))
    monkeypatch.setattr(silent_peers, "PING", timedelta(seconds=0.2))
    monkeypatch.setattr(silent_peers, "_IDLE", 0.05)


def _run(database_url: str, story: Callable[[Database, SilentProxy], Awaitable[None]]) -> None:
    url = make_url(database_url)

    async def main() -> None:
        connect = partial(
            asyncio.open_unix_connection, f"{url.query['host']}/.s.PGSQL.{url.query.get('port', 5432)}"
        )
        async with asyncio.timeout(20), silent_proxy(connect) as (proxy, port):
            query = {key: value for key, value in url.query.items() if key not in {"host", "port"}}
            behind = url.set(host="127.0.0.1", port=port, query=query)
            engine = open_engine(behind.render_as_string(hide_password=False), pool_size=3, name="test")
            database = Database(engine)
            try:
                await story(database, proxy)
            finally:
                await database.close()

    asyncio.run(main())


async def _one(connection: AsyncConnection) -> int:
    found: int = await connection.scalar(text("SELECT 1"))
    return found


@pytest.mark.parametrize("method", ["transact", "single"])
def test_a_statement_that_a_silent_peer_never_answers_is_unavailable_and_the_next_works(
    database_url: str, method: str
) -> None:
    async def story(database: Database, proxy: SilentProxy) -> None:
        run = getattr(database, method)

        async def silenced(connection: AsyncConnection) -> int:
            proxy.silence()
            return await _one(connection)

        await run(_one)
        with pytest.raises(Unavailable, match="the database cannot be reached"):
            await run(silenced)
        assert await run(_one) == 1

    _run(database_url, story)


def test_a_commit_that_is_never_answered_is_unavailable(database_url: str) -> None:
    async def story(database: Database, proxy: SilentProxy) -> None:
        async def silenced_at_its_end(connection: AsyncConnection) -> None:
            await _one(connection)
            proxy.silence()

        with pytest.raises(Unavailable):
            await database.transact(silenced_at_its_end)
        assert await database.single(_one) == 1

    _run(database_url, story)


def test_idle_connections_of_a_silent_peer_are_replaced_before_they_are_used(database_url: str) -> None:
    async def story(database: Database, proxy: SilentProxy) -> None:
        await asyncio.gather(*(database.single(_one) for _ in range(3)))
        await asyncio.sleep(0.1)  # longer than a connection is used without a ping
        proxy.silence()
        began = asyncio.get_running_loop().time()
        assert [await database.single(_one) for _ in range(3)] == [1, 1, 1]
        # One ping found it, for all connections of the pool.
        assert asyncio.get_running_loop().time() - began < 2 * silent_peers.PING.total_seconds() + 1

    _run(database_url, story)


def test_all_connections_that_are_in_use_are_freed_at_their_deadline(database_url: str) -> None:
    async def story(database: Database, proxy: SilentProxy) -> None:
        async def slow(connection: AsyncConnection) -> None:
            await connection.execute(text("SELECT pg_sleep(0.1)"))

        tasks = [asyncio.create_task(database.transact(slow)) for _ in range(3)]
        await asyncio.sleep(0.05)
        proxy.silence()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, Unavailable) for result in results)
        assert await database.single(_one) == 1

    _run(database_url, story)


def test_a_reserved_connection_has_a_deadline_for_each_statement_and_none_between_them(
    database_url: str,
) -> None:
    async def story(database: Database, proxy: SilentProxy) -> None:
        async with database.one_connection() as run:
            assert await run(_one) == 1
            await asyncio.sleep(2 * silent_peers.IN_USE.total_seconds())
            assert await run(_one) == 1
            proxy.silence()
            with pytest.raises(Unavailable):
                await run(_one)

    _run(database_url, story)


def test_a_task_that_is_cancelled_while_the_peer_is_silent_ends(database_url: str) -> None:
    """The driver asks the server to cancel the statement, and gives that up after five seconds."""

    async def story(database: Database, proxy: SilentProxy) -> None:
        async def slow(connection: AsyncConnection) -> None:
            await connection.execute(text("SELECT pg_sleep(0.1)"))

        task = asyncio.create_task(database.transact(slow))
        await asyncio.sleep(0.05)
        proxy.silence(for_new=True)
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.done()

    _run(database_url, story)
