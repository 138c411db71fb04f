"""The URLs of the servers for the bench's own programs, from the environment."""

import os

from sqlalchemy.engine import make_url


def database_url() -> str:
    """Return DATABASE_URL in the form that psycopg needs."""
    url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql")
    before, _, query = url.render_as_string(hide_password=False).partition("?")
    return f"{before}?{query.replace('+', '%20')}" if query else before  # libpq reads + as a plus


def provider_url() -> str:
    """Return PROVIDER_URL, where the bench's provider listens, without a slash at its end."""
    return os.environ["PROVIDER_URL"].rstrip("/")
