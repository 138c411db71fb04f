"""A connection that was lost while it was idle is replaced."""

import asyncio

import pytest
from sqlalchemy import text

from dispatcher.service.database import Database
from dispatcher.store import silent_peers
from dispatcher.store.engine import open_engine

_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%idle test'"


@pytest.mark.parametrize("method", ["transact", "single"])
def test_a_connection_that_died_while_idle_is_replaced(
    database_url: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silent_peers, "_IDLE", 0.01)

    async def story() -> None:
        engine = open_engine(database_url, pool_size=2, name="idle test")
        database, killer = Database(engine), Database(open_engine(database_url, pool_size=1, name="killer"))
        run = getattr(database, method)
        first = await run(lambda c: c.scalar(text("SELECT pg_backend_pid()")))
        await killer.transact(lambda c: c.execute(text(_OTHERS)))
        await asyncio.sleep(0.05)
        second = await run(lambda c: c.scalar(text("SELECT pg_backend_pid()")))
        assert second != first
        await database.close()
        await killer.close()

    asyncio.run(story())


def test_a_single_statement_is_committed_and_one_that_fails_is_not(database_url: str) -> None:
    async def story() -> None:
        database = Database(open_engine(database_url, pool_size=2, name="test"))
        insert = text("INSERT INTO accounts (name, default_country, timezone, created_at) "
                      "VALUES (:name, 'KE', 'UTC', now())")  # fmt: skip
        await database.single(lambda c: c.execute(insert, {"name": "kept"}))
        with pytest.raises(Exception, match="name"):
            await database.single(lambda c: c.execute(insert, {"name": ""}))
        names = await database.transact(lambda c: c.execute(text("SELECT name FROM accounts")))
        assert [row.name for row in names] == ["kept"]
        await database.close()

    asyncio.run(story())
