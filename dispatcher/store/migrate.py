"""Bring the tables to the newest migration, and tell whether they are there."""

import re
from functools import cache
from importlib.resources import files

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_FILE = re.compile(r"([0-9]{4})_\w+\.py")


def upgrade(database_url: str) -> None:
    """Apply all migrations that are missing. Two at once wait for each other."""
    from alembic import command  # a tenth of a second, which no other process needs
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    command.upgrade(config, "head")


@cache
def newest_revision() -> str:
    """Name the newest migration that this version knows, by the names of the files."""
    names = (_FILE.fullmatch(file.name) for file in files("migrations.versions").iterdir())
    return max(name[1] for name in names if name is not None)


async def applied_revision(connection: AsyncConnection) -> str | None:
    """Name the migration that the database is at; None means an empty database."""
    there = await connection.scalar(text("SELECT to_regclass('alembic_version')"))
    return await connection.scalar(text("SELECT version_num FROM alembic_version")) if there else None
