"""Run by Alembic: connects, takes a lock so that migrations never overlap, and applies the versions."""

from alembic import context
from sqlalchemy import create_engine, text

from dispatcher.store.database_url import sqlalchemy_url
from dispatcher.store.tables import metadata

_LOCK = 4_773_001


def migrate() -> None:
    """Run the requested migrations in one transaction."""
    url = context.config.get_main_option("sqlalchemy.url")
    if not url:
        raise RuntimeError("no database URL; run migrations with `dispatcher migrate`")
    # A pooler may run the next transaction on this connection for others, who would meet what was prepared.
    engine = create_engine(sqlalchemy_url(url), connect_args={"prepare_threshold": None})
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        context.configure(connection=connection, target_metadata=metadata)
        context.run_migrations()
    engine.dispose()


migrate()
