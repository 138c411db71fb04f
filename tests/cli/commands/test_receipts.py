"""`dispatcher receipt`: receipts that match no message."""

import psycopg
import pytest

from tests.cli.command import Run
from tests.conftest import plain_url

_UNKNOWN = """
INSERT INTO receipts (provider, ref, status, reason, received_at, tries, verdict)
SELECT 'sim', 'r' || n, 13, 'DELIVRD', now(), 150, 'unknown' FROM generate_series(1, 3) AS n
"""
_WAITING = """
INSERT INTO receipts (provider, ref, status, received_at, wake_at) VALUES ('sim', 'w1', 13, now(), now())
"""


@pytest.fixture
def unmatched(cli: Run, database_url: str) -> Run:
    """Return `run` on a dispatcher with three unmatched receipts, and one that is still retried."""
    with psycopg.connect(plain_url(database_url), autocommit=True) as connection:
        connection.execute(_UNKNOWN)
        connection.execute(_WAITING)
    return cli


def test_unmatched_receipts_are_listed_the_newest_first(unmatched: Run) -> None:
    header, first, *_ = unmatched("receipt", "list").out.splitlines()
    assert header.split()[:6] == ["id", "provider", "ref", "reference", "status", "tries"]
    assert first.split()[:6] == ["3", "sim", "r3", "-", "13", "150"]
    page = unmatched("receipt", "list", "--limit", "2")
    assert page.err == "There may be more: --before 2\n"
    assert [one["ref"] for one in unmatched("receipt", "list", "--before", "2", "--json").json] == ["r1"]


def test_retried_receipts_are_listed_separately(unmatched: Run) -> None:
    assert [one["ref"] for one in unmatched("receipt", "list", "--waiting", "--json").json] == ["w1"]


def test_the_doctor_warns_of_unmatched_receipts(unmatched: Run) -> None:
    [finding] = [one for one in unmatched("doctor", "--json").json if one["subject"] == "receipts"]
    assert finding["level"] == "warn"
    assert finding["text"].endswith("no message: 3")


def test_the_doctor_is_ok_without_unmatched_receipts(cli: Run) -> None:
    assert "receipts" in [one["subject"] for one in cli("doctor", "--json").json if one["level"] == "ok"]
