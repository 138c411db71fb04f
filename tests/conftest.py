"""Real Postgres and Valkey for every test that asks: one pair a test process, emptied between tests."""

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import psycopg
import pytest
import redis
import structlog
from sqlalchemy.engine import make_url

from dispatcher.local.embedded.servers import embedded_servers
from dispatcher.settings import Settings
from dispatcher.store.migrate import upgrade
from dispatcher.store.tables import metadata
from tests.world import World

# What is shown of a failed test is read by people; tracebacks with all their variables take seconds to draw.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

_TRUNCATE = f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY"
_DELETE = "; ".join(
    [f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables)]
    + ["SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"]
)
_IS_LARGE = "SELECT sum(pg_relation_size(oid)) > 1_000_000 FROM pg_class WHERE relkind = 'r' AND oid >= 16384"


def pytest_collection_finish() -> None:
    """Spare all that was imported from being looked through whenever garbage is collected."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test fail that was skipped, where NO_SKIPS is set, as in the gate."""
    report = yield
    if report.skipped and os.environ.get("NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"It was skipped, and NO_SKIPS is set: {report.longreprtext}"
    return report


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Start both servers and bring the tables to the newest migration."""
    directory: Path = tmp_path_factory.mktemp("servers")
    with embedded_servers(directory, durable=False) as (database_url, redis_url):
        upgrade(database_url)
        yield database_url, redis_url


@pytest.fixture
def database_url(servers: tuple[str, str]) -> str:
    """Give an empty, migrated database."""
    url, _ = servers
    empty(url)
    return url


@pytest.fixture(scope="session")
def valkey(servers: tuple[str, str]) -> Iterator[redis.Redis]:
    """Open a client that empties Valkey."""
    _, url = servers
    with redis.Redis.from_url(url) as client:
        yield client


@pytest.fixture
def redis_url(servers: tuple[str, str], valkey: redis.Redis) -> str:
    """Give an empty Valkey."""
    _, url = servers
    valkey.flushall()
    return url


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    """Give settings for both, everything else as shipped."""
    return Settings(database_url=database_url, redis_url=redis_url)


@pytest.fixture
def world(settings: Settings) -> World:
    """Give a dispatcher without workers, with a clock and providers that the test holds."""
    return World(settings)


def empty(url: str) -> None:
    """
    Delete all rows of a migrated database.

    TRUNCATE gives each table and index a new file, which takes longer than most
    tests; so it is left for when there is much, dead rows among it.
    """
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        [is_large] = connection.execute(_IS_LARGE).fetchone() or [True]
        connection.execute(_TRUNCATE if is_large else _DELETE)


def plain_url(url: str) -> str:
    """Spell a SQLAlchemy URL as psycopg wants it: a blank in the socket's path is %20, not +."""
    spelled = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    before, _, query = spelled.partition("?")
    return f"{before}?{query.replace('+', '%20')}" if query else before
