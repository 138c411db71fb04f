"""Bring the tables to the newest migration, and tell whether they are there."""

from functools import cache
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


def upgrade(database_url: str) -> None:
    """Apply all migrations that are missing. Two at once wait for each other."""
    command.upgrade(_config(database_url), "head")


@cache
def newest() -> str:
    """Name the newest migration that this version knows; looked up once, for all of them are read for it."""
    head = ScriptDirectory.from_config(_config("")).get_current_head()
    assert head is not None, "the migrations folder is empty"
    return head


async def applied(connection: AsyncConnection) -> str | None:
    """Name the migration that the database is at; None means an empty database."""
    there = await connection.scalar(text("SELECT to_regclass('alembic_version')"))
    return await connection.scalar(text("SELECT version_num FROM alembic_version")) if there else None


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return config
