"""Postgres's own fail-over list: of several servers, the one that can be written to is used."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.cli.commands.doctor import checks
from dispatcher.domain.errors import Unavailable
from dispatcher.local.embedded.ports import LOOPBACK, free_port
from dispatcher.local.embedded.postgres import postgres_process
from dispatcher.local.embedded.supervisor import Supervisor
from dispatcher.service.database import Database
from dispatcher.service.health.finding import Level
from dispatcher.settings import Settings
from dispatcher.store.engine import open_engine
from dispatcher.store.migrate import newest_revision, upgrade
from tests.conftest import plain_url
from tests.pgbouncer import pgbouncer

_WHERE = text("SELECT current_setting('unix_socket_directories')")
_WRITE = text("DELETE FROM accounts")


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a second Postgres, which is running."""
    with Supervisor(tmp_path) as supervisor:
        process = postgres_process(tmp_path, durable=False)
        supervisor.start(process)
        yield process.url


def _list_of(first: str, second: str) -> str:
    """Return the URL of two servers, of which the first that can be written to is used."""
    one, two = make_url(first).query, make_url(second).query
    query = {name: f"{one[name]},{two[name]}" for name in ("host", "port")}
    listed = make_url(first).set(query={**query, "target_session_attrs": "read-write"})
    return listed.render_as_string(hide_password=False)


async def _write(connection: AsyncConnection) -> str:
    """Return the directory of the server that was written to."""
    await connection.execute(_WRITE)
    return str(await connection.scalar(_WHERE))


def _make_read_only(url: str) -> None:
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")


def test_the_list_is_followed_to_the_server_that_can_be_written_to(
    primary: str, database_url: str, redis_url: str
) -> None:
    listed = _list_of(primary, database_url)
    upgrade(listed)

    async def story() -> None:
        database = Database(open_engine(listed, pool_size=3, name="test"))
        try:
            assert str(make_url(primary).query["host"]) in await database.transact(_write)
            await asyncio.to_thread(_make_read_only, primary)
            async with asyncio.timeout(10):
                while True:  # until a process of Postgres has read the new setting
                    try:
                        where = await database.transact(_write)
                    except Unavailable:
                        continue
                    if str(make_url(database_url).query["host"]) in where:
                        break
        finally:
            await database.close()

    asyncio.run(story())
    upgrade(listed)
    [reached, _] = checks.postgres(Settings(database_url=listed, redis_url=redis_url))
    assert reached.level is Level.OK


def test_a_dead_server_of_the_list_is_passed_over(database_url: str, redis_url: str) -> None:
    with pgbouncer(database_url, mode="transaction") as behind:
        made = make_url(behind)
        servers = f"{LOOPBACK}:{free_port()},{LOOPBACK}:{made.port}"
        listed = f"postgresql://{made.username}@{servers}/{made.database}?target_session_attrs=read-write"
        upgrade(listed)

        async def story() -> str | None:
            database = Database(open_engine(listed, pool_size=1, name="test"))
            try:
                found: str = await database.single(
                    lambda c: c.scalar(text("SELECT version_num FROM alembic_version"))
                )
                return found
            finally:
                await database.close()

        assert asyncio.run(story()) == newest_revision()
        [reached, _] = checks.postgres(Settings(database_url=listed, redis_url=redis_url))
        assert (reached.level, reached.text.endswith(", through a pooler")) == (Level.OK, True)
