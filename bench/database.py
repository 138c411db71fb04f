"""How the bench's own programs reach the servers: by the same variables as the dispatcher."""

import os

from sqlalchemy.engine import make_url


def database_url() -> str:
    """Spell DATABASE_URL as psycopg wants it."""
    url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


def provider_url() -> str:
    """Give PROVIDER_URL, where the bench's provider listens, without a slash at its end."""
    return os.environ["PROVIDER_URL"].rstrip("/")
