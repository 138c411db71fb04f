"""A producer of the account `shop`, and the application's own connections to the same database."""

from collections.abc import Iterator

import psycopg
import pytest

from dispatcher.producer import Dispatcher
from dispatcher.settings import Settings
from tests.conftest import plain_url
from tests.world import World

PROVIDERS = '[{"name": "net", "plugin": "http", "options": {"url": "http://127.0.0.1:1"}}]'


@pytest.fixture(autouse=True)
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("REDIS_URL", settings.redis_url.get_secret_value())
    monkeypatch.setenv("DISPATCHER_PROVIDERS", PROVIDERS)


@pytest.fixture
def shop(world: World) -> World:
    """Create an account `shop` with 10,000 credits and the sender SHOP."""

    async def nothing() -> None:
        pass

    world.run(nothing)
    return world


@pytest.fixture
def sms(shop: World) -> Iterator[Dispatcher]:
    with Dispatcher.from_env(account="shop") as made:
        yield made


@pytest.fixture
def url(database_url: str) -> str:
    """Return the database's URL as psycopg has it."""
    return plain_url(database_url)


@pytest.fixture
def connection(url: str) -> Iterator["psycopg.Connection"]:
    with psycopg.connect(url) as opened:
        yield opened
        opened.rollback()


def count(url: str, table: str = "messages") -> int:
    """Return how many rows are committed."""
    with psycopg.connect(url) as other:
        [n] = other.execute(f"SELECT count(*) FROM {table}").fetchone() or [0]
    return int(n)
