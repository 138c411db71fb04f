"""Behind PgBouncer, in either mode, everything works as it does straight on Postgres."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

import dispatcher.store
from dispatcher.domain.errors import Unavailable
from dispatcher.domain.messages.status import Status
from dispatcher.service.campaigns.estimate import EstimateRequest, estimate
from dispatcher.service.campaigns.recipient_file import CHUNK_ROWS, RecipientFile
from dispatcher.service.database import Database
from dispatcher.settings import Settings
from dispatcher.store.engine import open_engine
from dispatcher.store.migrate import applied_revision, newest_revision, upgrade
from tests.pgbouncer import pgbouncer
from tests.world import NUMBER, World

_CLIENTS = 6
_SETTINGS = text("""
SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN
('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'TimeZone', 'jit',
 'enable_seqscan')
""")
_PREPARED = text("SELECT count(*) FROM pg_prepared_statements")
_IS_ALONE = text("SELECT now() = statement_timestamp()")
_CREATE = text("CREATE TABLE poolers (n integer)")
_INSERT = text("INSERT INTO poolers VALUES (1)")
_COUNT = text("SELECT count(*) FROM poolers")


@pytest.fixture(
    params=[("transaction", ""), ("transaction", "options"), ("session", "")],
    ids=["transaction mode", "transaction mode, options ignored", "session mode"],
)
def pooled(request: pytest.FixtureRequest, database_url: str) -> Iterator[str]:
    """Yield the URL of the database behind PgBouncer, which refuses start-up options, or ignores them."""
    mode, ignored = request.param
    size = 2 if mode == "transaction" else _CLIENTS
    with pgbouncer(database_url, mode=mode, size=size, ignored=ignored) as url:
        yield url


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    database = Database(open_engine(url, pool_size=_CLIENTS, name="test"))
    try:
        yield database
    finally:
        await database.close()


async def _settings(connection: AsyncConnection) -> str:
    return str(await connection.scalar(_SETTINGS))


def test_every_unit_of_work_has_our_settings(database_url: str, pooled: str) -> None:
    async def story() -> None:
        async with _opened(database_url) as straight, _opened(pooled) as database:
            ours = await straight.single(_settings)
            assert "statement_timeout=10000" in ours
            for run in (database.transact, database.single) * 3:
                assert set(await asyncio.gather(*(run(_settings) for _ in range(_CLIENTS)))) == {ours}

    asyncio.run(story())


def test_nothing_of_ours_stays_on_a_connection_that_others_share(pooled: str) -> None:
    async def often(connection: AsyncConnection) -> None:
        for _ in range(8):  # psycopg prepares a statement at its sixth run
            await connection.execute(_COUNT)

    async def story() -> None:
        async with _opened(pooled) as database:
            await database.transact(lambda c: c.execute(_CREATE))
            try:
                for run in (database.transact, database.single):
                    await asyncio.gather(*(run(often) for _ in range(2 * _CLIENTS)))
                assert await database.single(lambda c: c.scalar(_PREPARED)) == 0
            finally:
                await database.transact(lambda c: c.execute(text("DROP TABLE poolers")))
        with psycopg.connect(pooled, prepare_threshold=None, autocommit=True) as stranger:
            assert stranger.execute("SHOW statement_timeout").fetchone() == ("0",)

    asyncio.run(story())


def test_a_unit_of_work_is_committed_and_one_that_fails_is_not(pooled: str) -> None:
    async def fail_after_writing(connection: AsyncConnection) -> None:
        await connection.execute(_INSERT)
        raise LookupError

    async def story() -> None:
        async with _opened(pooled) as database:
            await database.single(lambda c: c.execute(_CREATE))
            try:
                await database.single(lambda c: c.execute(_INSERT))
                await database.transact(lambda c: c.execute(_INSERT))
                with pytest.raises(LookupError):
                    await database.transact(fail_after_writing)
                assert await database.single(lambda c: c.scalar(_COUNT)) == 2
            finally:
                await database.transact(lambda c: c.execute(text("DROP TABLE poolers")))

    asyncio.run(story())


def test_an_idle_connection_is_tried_and_then_works(pooled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.store.silent_peers._IDLE", -1.0)

    async def story() -> None:
        async with _opened(pooled) as database:
            for run in (database.transact, database.single, database.transact):
                assert "statement_timeout=10000" in await run(_settings)

    asyncio.run(story())


def test_migrations_run(empty_database: str) -> None:
    async def revision(url: str) -> str | None:
        async with _opened(url) as database:
            return await database.single(applied_revision)

    with pgbouncer(empty_database, mode="transaction") as url:
        upgrade(url)
        assert asyncio.run(revision(url)) == newest_revision()


def test_messages_are_sent_received_and_estimated(pooled: str, settings: Settings) -> None:
    world = World(settings.model_copy(update={"database_url": type(settings.database_url)(pooled)}))
    lines = "\n".join(["to", *(f"+2547123{n:05d}" for n in range(CHUNK_ROWS + 10)), NUMBER, NUMBER])

    async def others() -> None:
        for _ in range(10):
            await world.submit()

    async def story() -> None:
        file, request = RecipientFile([lines.encode()]), EstimateRequest("Hi", None, None)
        async with asyncio.TaskGroup() as group:
            estimating = group.create_task(estimate(world.ctx, world.caller.account, file, request))
            for _ in range(3):
                group.create_task(others())
        estimated = estimating.result()
        assert (estimated.rows, estimated.repeated) == (CHUNK_ROWS + 12, 1)
        await world.deliver()
        sent = await world.one("SELECT count(*) AS n FROM messages WHERE status = :sent", sent=Status.SENT)
        assert sent.n == 30
        assert len(world.sim.seen) == 30

    world.run(story)


def test_options_of_the_url_hold_beside_ours_and_are_not_dropped_behind_a_pooler(database_url: str) -> None:
    options = "options=-c%20search_path%3Dsms"

    async def path(url: str) -> str:
        async with _opened(url) as database:
            assert "statement_timeout=10000" in await database.single(_settings)
            found: str = await database.single(lambda c: c.scalar(text("SHOW search_path")))
            return found

    assert asyncio.run(path(f"{database_url}&{options}")) == "sms"
    with pgbouncer(database_url, mode="transaction") as url, pytest.raises(Unavailable):
        asyncio.run(path(f"{url}?{options}"))


def test_straight_on_postgres_a_single_statement_has_no_transaction_around_it(database_url: str) -> None:
    async def both(run: Callable[..., Awaitable[bool]]) -> bool:
        return await run(lambda c: c.scalar(_IS_ALONE))

    async def story() -> None:
        async with _opened(database_url) as database:
            await both(database.transact)
            assert await both(database.single)
            assert not await both(database.transact)

    asyncio.run(story())


def test_no_statement_needs_the_session_of_another() -> None:
    """Behind a pooler the next transaction may have another session; estimates keep theirs in one."""
    needs = re.compile(
        r"\bpg_(try_)?advisory_(un)?lock|\b(UN)?LISTEN |\bNOTIFY |\bPREPARE |\bWITH HOLD\b|\bCREATE TEMP"
        r"|\A\s*SET (?!LOCAL\b)\w+"
    )
    sources = [*Path(dispatcher.store.__file__).parent.rglob("*.py")]
    found = {
        (file.name, match[0].strip())
        for file in sources
        for statement in re.findall(
            r'text\(\s*f?"""(.*?)"""|text\(\s*f?"(.*?)"\)', file.read_text("utf-8"), re.S
        )
        for match in needs.finditer("".join(statement))
    }
    assert found == {
        ("seen_numbers.py", "CREATE TEMP"),
        ("pooler.py", "SET idle_in_transaction_session_timeout"),
    }
