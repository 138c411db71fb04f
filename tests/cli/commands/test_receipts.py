"""Receipts that fit no message, at the command line."""

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
def told(cli: Run, database_url: str) -> Run:
    """Give a dispatcher that was told of three messages nobody knows, and of one it may yet know."""
    with psycopg.connect(plain_url(database_url), autocommit=True) as connection:
        connection.execute(_UNKNOWN)
        connection.execute(_WAITING)
    return cli


def test_what_was_given_up_is_listed_the_newest_first(told: Run) -> None:
    header, first, *_ = told("receipt", "list").out.splitlines()
    assert header.split()[:6] == ["id", "provider", "ref", "reference", "status", "tries"]
    assert first.split()[:6] == ["3", "sim", "r3", "-", "13", "150"]
    page = told("receipt", "list", "--limit", "2")
    assert page.err == "There may be more: --before 2\n"
    assert [one["ref"] for one in told("receipt", "list", "--before", "2", "--json").json] == ["r1"]


def test_what_is_still_tried_again_is_listed_by_itself(told: Run) -> None:
    assert [one["ref"] for one in told("receipt", "list", "--waiting", "--json").json] == ["w1"]


def test_the_doctor_tells_of_receipts_that_fit_no_message(told: Run) -> None:
    [finding] = [one for one in told("doctor", "--json").json if one["subject"] == "receipts"]
    assert finding["level"] == "warn"
    assert finding["text"].endswith("no message: 3")


def test_the_doctor_is_content_without_such_receipts(cli: Run) -> None:
    assert "receipts" in [one["subject"] for one in cli("doctor", "--json").json if one["level"] == "ok"]
