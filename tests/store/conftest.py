"""A database without tables, and Alembic's configuration for it."""

from collections.abc import Iterator
from importlib.resources import files

import psycopg
import pytest
from alembic.config import Config
from sqlalchemy.engine import make_url

from tests.conftest import plain_url


@pytest.fixture
def empty_database(servers: tuple[str, str]) -> Iterator[str]:
    """Yield the URL of a database without tables."""
    url, _ = servers
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated")
        yield make_url(url).set(database="migrated").render_as_string(hide_password=False)
        connection.execute("DROP DATABASE migrated WITH (FORCE)")


@pytest.fixture
def alembic_config(empty_database: str) -> Config:
    """Return the configuration with which Alembic's commands run the migrations on that database."""
    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    config.set_main_option("sqlalchemy.url", empty_database.replace("%", "%%"))
    return config
