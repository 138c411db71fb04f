"""Upgrade the tables to the newest migration, and find out which one is applied."""

import re
from functools import cache
from importlib.resources import files

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_FILE = re.compile(r"([0-9]{4})_\w+\.py")


def upgrade(database_url: str) -> None:
    """Apply all missing migrations; concurrent calls wait for each other."""
    from alembic import command  # imported here because it takes a tenth of a second
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    command.upgrade(config, "head")


@cache
def newest_revision() -> str:
    """Return the newest migration of this version, from the names of the files."""
    names = (_FILE.fullmatch(file.name) for file in files("migrations.versions").iterdir())
    return max(name[1] for name in names if name is not None)


async def applied_revision(connection: AsyncConnection) -> str | None:
    """Return the migration that the database has; None if the database is empty."""
    has_table = await connection.scalar(text("SELECT to_regclass('alembic_version')"))
    return await connection.scalar(text("SELECT version_num FROM alembic_version")) if has_table else None
