"""Sending as a part of the application's own transaction, over psycopg and SQLAlchemy."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy
from psycopg.adapt import Loader
from psycopg.rows import dict_row
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from dispatcher.domain.errors import (
    AlreadyExists,
    Invalid,
    InvalidSubmission,
    KeyReused,
    Misconfigured,
    NotEnoughCredit,
    NotFound,
    StillRunning,
    Unavailable,
)
from dispatcher.domain.messages.status import Status
from dispatcher.producer import Dispatcher
from tests.producer.conftest import count
from tests.world import NUMBER, World

TABLES = ("batches", "messages", "message_events", "message_lookup", "idempotency_keys")


def everything(url: str) -> dict[str, int]:
    charges = {"charges": count(url, "ledger WHERE kind = 'charge'")}
    return charges | {table: count(url, table) for table in TABLES}


NOTHING = dict.fromkeys(("charges", *TABLES), 0)
ONE = dict.fromkeys(("charges", *TABLES), 1)


@contextmanager
def sqlalchemy_connection(url: str) -> Iterator[Any]:
    engine = sqlalchemy.create_engine(url.replace("postgresql", "postgresql+psycopg", 1))
    try:
        with engine.connect() as opened:
            yield opened
    finally:
        engine.dispose()


@contextmanager
def session(url: str) -> Iterator[Any]:
    with sqlalchemy_connection(url) as opened, Session(opened.engine) as made:
        yield made


@contextmanager
def scoped(url: str) -> Iterator[Any]:
    with sqlalchemy_connection(url) as opened:
        made = scoped_session(sessionmaker(opened.engine))
        try:
            yield made
        finally:
            made.remove()


LIBRARIES: dict[str, Callable[[str], Any]] = {
    "psycopg": psycopg.connect,
    "SQLAlchemy's Connection": sqlalchemy_connection,
    "SQLAlchemy's Session": session,
    "a scoped session": scoped,
}


@pytest.fixture(params=LIBRARIES.values(), ids=list(LIBRARIES))
def library(request: pytest.FixtureRequest, url: str) -> Iterator[Any]:
    """Yield a connection of each library."""
    with request.param(url) as opened:
        yield opened
        opened.rollback()


def test_nothing_is_written_until_the_application_commits_and_then_all(
    sms: Dispatcher, library: Any, url: str
) -> None:
    batch = sms.send(NUMBER, "Hello", idempotency_key="order-1", connection=library)
    assert everything(url) == NOTHING
    with pytest.raises(NotFound):
        sms.status(batch.messages[0].id)
    library.commit()
    assert everything(url) == ONE
    assert sms.status(batch.messages[0].id) is Status.PENDING


def test_a_rollback_leaves_no_row_no_charge_and_no_idempotency_key(
    sms: Dispatcher, library: Any, url: str, shop: World
) -> None:
    sms.send(NUMBER, "Hello", idempotency_key="order-1", connection=library)
    library.rollback()
    assert everything(url) == NOTHING

    async def story() -> None:
        assert await shop.clock.settle() == 1

    shop.run_without_account(story)
    assert sms.balance() == 10_000
    sms.send(NUMBER, "Hello", idempotency_key="order-1")
    assert everything(url) == ONE


def execute(library: Any, sql: str) -> None:
    library.execute(sql if isinstance(library, psycopg.Connection) else sqlalchemy.text(sql))


def test_a_refusal_leaves_the_transaction_as_it_was(sms: Dispatcher, library: Any, url: str) -> None:
    execute(library, "CREATE TEMP TABLE orders (id integer)")
    execute(library, "INSERT INTO orders VALUES (1)")
    with pytest.raises(NotEnoughCredit):
        sms.send([NUMBER] * 10_000, "x" * 200, connection=library)
    with pytest.raises(InvalidSubmission):
        sms.send("nonsense", "", connection=library)
    sms.send(NUMBER, "Hello", external_id="a", idempotency_key="b", connection=library)
    with pytest.raises(AlreadyExists):
        sms.send(NUMBER, "Hello", external_id="a", connection=library)
    execute(library, "INSERT INTO orders VALUES (2)")
    library.commit()
    assert everything(url) == ONE


def test_a_message_of_a_transaction_that_commits_late_is_found_by_the_clock(
    sms: Dispatcher, connection: "psycopg.Connection[Any]", shop: World
) -> None:
    """The times that were written have passed when the rows become visible, and no lane was given the ids."""
    critical = sms.send(NUMBER, "Code 1", tier="critical", connection=connection).messages[0].id
    standard = sms.send(NUMBER, "Hello", connection=connection).messages[0].id
    soon = datetime.now(UTC) + timedelta(minutes=1)
    later = sms.send(NUMBER, "Later", not_before=soon, connection=connection).messages[0].id

    async def story() -> None:
        shop.time.at = datetime.now(UTC) + timedelta(minutes=5)
        await shop.clock.tick()
        assert shop.lanes.published == []
        connection.commit()
        await shop.clock.tick()
        await shop.clock.tick()
        assert sorted(id_ for _, id_ in shop.lanes.published) == [critical, standard, later]
        await shop.deliver()
        assert sorted(out.text for out in shop.sim.seen) == ["Code 1", "Hello", "Later"]

    shop.run_without_account(story)


def test_a_message_whose_window_ended_before_the_commit_is_never_sent(
    sms: Dispatcher, connection: "psycopg.Connection[Any]", shop: World
) -> None:
    message = sms.send(NUMBER, "Code", validity=timedelta(minutes=5), connection=connection).messages[0]

    async def story() -> None:
        shop.time.at = datetime.now(UTC) + timedelta(minutes=6)
        connection.commit()
        await shop.clock.expire()
        assert (await shop.row(message.id)).status == Status.EXPIRED
        assert await shop.balance() == 10_000

    shop.run_without_account(story)


def test_the_settings_of_the_application_stay_and_do_not_disturb(
    sms: Dispatcher, url: str, shop: World
) -> None:
    """Row factories, loaders, time zones, encodings, date styles and search paths are the application's."""

    class Text(Loader):
        def load(self, data: Any) -> str:
            return "the application's"

    names = (
        "search_path",
        "timezone",
        "datestyle",
        "client_encoding",
        "lock_timeout",
        "enable_seqscan",
        "jit",
    )
    with psycopg.connect(url, row_factory=dict_row, prepare_threshold=0) as connection:
        for name in ("timestamptz", "jsonb", "int8", "uuid", "text"):
            connection.adapters.register_loader(name, Text)
        connection.execute("CREATE TEMP TABLE messages (id text)")
        connection.execute("SET search_path = pg_temp, public")
        connection.execute("SET timezone = 'Asia/Kolkata'")
        connection.execute("SET datestyle = 'SQL, DMY'")
        connection.execute("SET client_encoding = 'LATIN1'")
        connection.execute("SET LOCAL lock_timeout = '2s'")
        before = [connection.execute(f"SHOW {name}").pgresult.get_value(0, 0) for name in names]  # type: ignore[union-attr]
        batch = sms.send(NUMBER, "Grüße 👋", idempotency_key="k", connection=connection)
        again = sms.send(NUMBER, "Grüße 👋", idempotency_key="k", connection=connection)
        assert again == batch
        after = [connection.execute(f"SHOW {name}").pgresult.get_value(0, 0) for name in names]  # type: ignore[union-attr]
        assert after == before
        assert connection.execute("SELECT 'x'::text AS a").fetchone() == {"a": "the application's"}
        connection.commit()
    assert sms.message(batch.messages[0].id).text == "Grüße 👋"


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_every_isolation_level_sends_once(sms: Dispatcher, url: str, level: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        sms.send(NUMBER, "Hello", idempotency_key="k", connection=connection)
        connection.commit()
    assert everything(url) == ONE


def test_a_balance_that_was_spent_behind_a_snapshot_is_unavailable_and_the_transaction_can_begin_again(
    sms: Dispatcher, url: str
) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT 1")
        sms.send([NUMBER] * 6_000, "Hello")
        sms.send([NUMBER] * 3_000, "Hello", connection=connection)
        with pytest.raises(Unavailable, match="roll the transaction back, and begin it again"):
            sms.send([NUMBER] * 2_000, "Hello", connection=connection)
        connection.commit()
        sms.send(NUMBER, "Hello", connection=connection)
        with pytest.raises(NotEnoughCredit):
            sms.send([NUMBER] * 2_000, "Hello", connection=connection)
        connection.commit()
    assert count(url) == 9_001


def test_an_external_id_that_was_taken_behind_a_snapshot_is_unavailable(sms: Dispatcher, url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT 1")
        sms.send(NUMBER, "Hello", external_id="a")
        with pytest.raises(Unavailable, match="roll the transaction back, and begin it again") as raised:
            sms.send(NUMBER, "Hello", external_id="a", connection=connection)
        assert isinstance(raised.value.__cause__, psycopg.errors.SerializationFailure)
        connection.rollback()
        with pytest.raises(AlreadyExists):
            sms.send(NUMBER, "Hello", external_id="a", connection=connection)


def test_a_balance_that_another_transaction_spent_meanwhile_is_not_spent_twice(
    sms: Dispatcher, connection: "psycopg.Connection[Any]", url: str
) -> None:
    sms.send([NUMBER] * 6_000, "Hello", connection=connection)
    with psycopg.connect(url) as other, pytest.raises(NotEnoughCredit):
        sms.send([NUMBER] * 6_000, "Hello", connection=other)
    connection.commit()
    with pytest.raises(NotEnoughCredit):
        sms.send([NUMBER] * 6_000, "Hello", connection=connection)


def test_a_key_is_locked_until_the_application_commits(
    sms: Dispatcher, connection: "psycopg.Connection[Any]", url: str
) -> None:
    first = sms.send(NUMBER, "Hello", idempotency_key="k", connection=connection)
    with pytest.raises(StillRunning):
        sms.send(NUMBER, "Hello", idempotency_key="k")
    connection.commit()
    assert sms.send(NUMBER, "Hello", idempotency_key="k") == first
    with pytest.raises(KeyReused):
        sms.send(NUMBER, "Another", idempotency_key="k", connection=connection)
    assert count(url) == 1


def test_a_refused_message_leaves_its_key_free_for_others(
    sms: Dispatcher, connection: "psycopg.Connection[Any]"
) -> None:
    with pytest.raises(NotEnoughCredit):
        sms.send([NUMBER] * 10_000, "x" * 200, idempotency_key="k", connection=connection)
    assert sms.send(NUMBER, "Hello", idempotency_key="k").charged == 1


def test_an_autocommit_connection_needs_a_transaction(sms: Dispatcher, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        with pytest.raises(Invalid, match="autocommit mode, outside of a transaction: begin one"):
            sms.send(NUMBER, "Hello", connection=connection)
        with connection.transaction():
            sms.send(NUMBER, "Hello", connection=connection)
            assert count(url) == 0
    assert count(url) == 1


def test_a_connection_without_a_usable_transaction_is_refused_by_name(sms: Dispatcher, url: str) -> None:
    with psycopg.connect(url) as connection:
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM nowhere")
        with pytest.raises(Invalid, match="has failed: roll it back first"):
            sms.send(NUMBER, "Hello", connection=connection)
        connection.rollback()
        connection.read_only = True
        with pytest.raises(Invalid, match="read-only"):
            sms.send(NUMBER, "Hello", connection=connection)
        connection.rollback()
        connection.read_only = False
        with connection.pipeline(), pytest.raises(Invalid, match="pipeline"):
            sms.send(NUMBER, "Hello", connection=connection)
    with pytest.raises(Invalid, match="closed"):
        sms.send(NUMBER, "Hello", connection=connection)


def test_a_connection_to_another_database_is_refused_by_name(sms: Dispatcher, url: str) -> None:
    with (
        psycopg.connect(url, dbname="template1") as connection,
        pytest.raises(Invalid, match="reaches the database 'template1', and not the database"),
    ):
        sms.send(NUMBER, "Hello", connection=connection)


def test_a_role_without_rights_is_told_so_and_one_with_them_sends(sms: Dispatcher, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS web")
        owner.execute("CREATE ROLE web")
        try:
            with psycopg.connect(url) as connection:
                connection.execute("SET ROLE web")
                with pytest.raises(Misconfigured, match=r"permission denied .*grant the role"):
                    sms.send(NUMBER, "Hello", connection=connection)
                connection.rollback()
            owner.execute("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO web")
            owner.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO web")
            with psycopg.connect(url) as connection:
                connection.execute("SET ROLE web")
                sms.send(NUMBER, "Hello", connection=connection)
                connection.commit()
        finally:
            owner.execute("DROP OWNED BY web")
            owner.execute("DROP ROLE web")
    assert count(url) == 1


def wrong_connections(url: str) -> Iterator[object]:
    engine = sqlalchemy.create_engine(url.replace("postgresql", "postgresql+psycopg", 1))
    yield from ("postgresql://here", 7, object(), engine, psycopg)
    with engine.connect() as opened:
        yield opened.connection  # of the pool
    engine.dispose()
    sqlite = sqlalchemy.create_engine("sqlite://")
    with sqlite.connect() as opened:
        yield opened
    sqlite.dispose()
    asynchronous = psycopg.AsyncConnection.__new__(psycopg.AsyncConnection)
    yield asynchronous
    from sqlalchemy.ext.asyncio import AsyncSession

    yield AsyncSession()


def test_what_is_no_connection_is_a_type_error(sms: Dispatcher, url: str) -> None:
    for connection in wrong_connections(url):
        with pytest.raises(TypeError, match=r"connection must be a psycopg\.Connection, .*, not"):
            sms.send(NUMBER, "Hello", connection=connection)


def test_an_interrupted_wait_for_a_lock_leaves_the_transaction_usable(
    sms: Dispatcher, connection: "psycopg.Connection[Any]", url: str
) -> None:
    connection.execute("SET lock_timeout = '200ms'")
    with psycopg.connect(url) as other:
        sms.send(NUMBER, "Hello", external_id="a", connection=other)
        with pytest.raises(Unavailable, match="not part of the transaction: canceling statement due to lock"):
            sms.send(NUMBER, "Hello", external_id="a", connection=connection)
        other.rollback()
    assert connection.execute("SHOW lock_timeout").fetchone() == ("200ms",)
    sms.send(NUMBER, "Hello", connection=connection)
    connection.commit()
    assert count(url) == 1


def test_a_session_wakes_the_clock_after_its_outermost_commit(sms: Dispatcher, url: str, valkey: Any) -> None:
    listener = valkey.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("sms:wake")
    listener.get_message(timeout=5)
    with session(url) as made:
        with made.begin_nested():
            sms.send(NUMBER, "Hello", connection=made)
        sms.send(NUMBER, "Hello", connection=made)
        assert listener.get_message(timeout=0.3) is None
        made.commit()
        assert listener.get_message(timeout=10) is not None
        made.execute(sqlalchemy.text("SELECT 1"))
        made.commit()
    listener.close()


def test_the_producer_imports_no_framework() -> None:
    script = (
        "import sys, dispatcher.producer.client\n"
        "print(sorted({'django.db', 'flask', 'flask_sqlalchemy', 'fastapi', 'starlette'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_coroutine_that_waits_for_the_loop_is_an_error() -> None:
    from dispatcher.service.yielding import run_without_loop, yielding

    async def pauses() -> int:
        return sum([n async for n in yielding(range(100_000))])

    loop = asyncio.new_event_loop()

    async def waits() -> None:
        await loop.create_future()

    assert run_without_loop(pauses()) == sum(range(100_000))
    with pytest.raises(RuntimeError, match="a coroutine without a loop waits for <Future"):
        run_without_loop(waits())
    loop.close()
