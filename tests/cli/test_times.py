"""Parsing of times on the command line."""

from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.cli.times import read_time
from dispatcher.domain.errors import Invalid

NOW = datetime(2026, 12, 24, 12, 0, tzinfo=UTC)


def read(text: str, *, timezone: str = "UTC") -> datetime:
    return read_time(text, now=NOW, timezone=timezone, option="--not-before")


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("+90s", timedelta(seconds=90)),
        ("+15m", timedelta(minutes=15)),
        ("+2h", timedelta(hours=2)),
        ("+1d", timedelta(days=1)),
    ],
)
def test_a_length_with_a_plus_counts_from_now(text: str, after: timedelta) -> None:
    assert read(text) == NOW + after


def test_a_time_without_an_offset_is_in_the_accounts_time_zone() -> None:
    assert read("2026-12-24 18:30", timezone="Africa/Nairobi") == datetime(2026, 12, 24, 15, 30, tzinfo=UTC)


def test_an_offset_wins_over_the_accounts_time_zone() -> None:
    read_at = read("2026-12-24T18:30:00+01:00", timezone="Africa/Nairobi")
    assert read_at == datetime(2026, 12, 24, 17, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "tomorrow", "+5", "+5w", "90s", "2026-13-01", "2026-12-24 25:00"])
def test_a_wrong_time_is_refused_with_its_option(text: str) -> None:
    with pytest.raises(Invalid, match=r"--not-before .* is not a time: give"):
        read(text)


def test_a_length_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(Invalid, match="too far ahead"):
        read("+999999999d")
