"""Real Postgres and Valkey for every test that asks: one pair a test process, emptied between tests."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy.engine import make_url

from dispatcher.embedded.servers import embedded_servers
from dispatcher.settings import Settings
from dispatcher.store.migrate import upgrade
from dispatcher.store.tables import metadata
from tests.world import World

_TABLES = ", ".join(metadata.tables)


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


@pytest.fixture
def redis_url(servers: tuple[str, str]) -> str:
    """Give an empty Valkey."""
    _, url = servers
    client = redis.Redis.from_url(url)
    client.flushall()
    client.close()
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
    """Delete all rows of a migrated database."""
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute(f"TRUNCATE {_TABLES} RESTART IDENTITY")


def plain_url(url: str) -> str:
    """Spell a SQLAlchemy URL as psycopg wants it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
