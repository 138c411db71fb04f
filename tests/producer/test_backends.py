"""A Django view and a Flask view that send in their transactions; nothing is delivered here."""

from collections.abc import Iterator

import psycopg
import pytest

from dispatcher.settings import Settings
from tests.producer.backend import FRAMEWORKS, Backend, running_backend
from tests.producer.conftest import PROVIDERS, count
from tests.world import World


@pytest.fixture(params=FRAMEWORKS)
def backend(request: pytest.FixtureRequest, settings: Settings, world: World, url: str) -> Iterator[Backend]:
    async def story() -> None:
        await world.another_account("demo")

    world.run(story)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE orders (id serial, note text)")
        environment = {
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "REDIS_URL": settings.redis_url.get_secret_value(),
            "DISPATCHER_PROVIDERS": PROVIDERS,
        }
        try:
            with running_backend(request.param, environment) as running:
                yield running
        finally:
            connection.execute("DROP TABLE orders")


def test_a_view_that_fails_after_it_has_sent_leaves_neither_order_nor_message(
    backend: Backend, url: str
) -> None:
    assert backend.order("rollback").status_code == 500
    assert (count(url), count(url, "orders")) == (0, 0)
    assert backend.order("commit").status_code == 200
    assert (count(url), count(url, "orders")) == (1, 1)


@pytest.mark.parametrize("backend", ["django"], indirect=True)
def test_a_django_view_outside_of_a_transaction_is_told_to_begin_one(backend: Backend, url: str) -> None:
    answer = backend.order("autocommit")
    assert (answer.status_code, "transaction.atomic()" in answer.text) == (409, True)
    assert count(url) == 0


@pytest.mark.parametrize("backend", ["django"], indirect=True)
def test_a_cursor_of_django_stands_for_its_connection(backend: Backend, url: str) -> None:
    assert backend.order("cursor").status_code == 200
    assert count(url) == 1
