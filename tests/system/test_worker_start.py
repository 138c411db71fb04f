"""A worker that cannot work does not start: it prints the reason and exits, for its supervisor to see."""

import os
import subprocess
import sys
from collections.abc import Sequence

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.conftest import plain_url

OURS = ("workers", "worker")
CELERY = ("celery", "-A", "workers.app", "worker")


def _run(
    *options: str, database_url: str, redis_url: str, program: Sequence[str] = OURS
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *program, "-Q", "bulk", *options],
        env={**os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def empty_database_url(database_url: str) -> str:
    """Give a database that was never migrated."""
    with psycopg.connect(plain_url(database_url), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS never_migrated")
        connection.execute("CREATE DATABASE never_migrated")
    return make_url(database_url).set(database="never_migrated").render_as_string(hide_password=False)


def test_a_worker_exits_if_migrations_are_missing(empty_database_url: str, redis_url: str) -> None:
    done = _run("-P", "threads", database_url=empty_database_url, redis_url=redis_url)
    assert done.returncode != 0
    assert "run `dispatcher migrate`" in done.stderr + done.stdout


@pytest.mark.parametrize("program", [OURS, CELERY])
def test_another_pool_than_threads_is_refused(
    database_url: str, redis_url: str, program: Sequence[str]
) -> None:
    done = _run("-P", "solo", database_url=database_url, redis_url=redis_url, program=program)
    assert done.returncode != 0
    assert "workers need Celery's threads pool" in done.stderr + done.stdout
