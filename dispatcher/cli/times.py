"""Parsers of times on the command line: "+90s", "2026-12-24 18:30", "2026-12-24T18:30:00+01:00"."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from dispatcher.domain.errors import Invalid
from dispatcher.domain.hours.local_time import first_instant
from dispatcher.domain.iso_time import read_iso_time

_FROM_NOW = re.compile(r"\+(\d{1,9})(s|m|h|d)")
_SHIFT = re.compile(r"([+-])(\d{1,9})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

_DURATION = re.compile(r"(\d{1,6})(s|m|h|d)")


def read_duration(text: str, *, option: str) -> timedelta:
    """Return a duration such as "90s" or "3h". Raises Invalid, which names the option."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise Invalid(f'{option} {text!r} is not a duration: give "90s", "30m", "3h" or "2d"')
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def read_day(text: str, *, option: str) -> date:
    """Return a date such as "2026-12-24". Raises Invalid, which names the option."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(f'{option} {text!r} is not a date: give one like "2026-12-24"') from None


def read_time(text: str, *, now: datetime, timezone: str, option: str) -> datetime:
    """
    Return a time in UTC; one without an offset is in `timezone`.

    Raises Invalid, which names the option.
    """
    if match := _FROM_NOW.fullmatch(text):
        return _later(now, int(match[1]) * _SECONDS[match[2]], text, option)
    try:
        at = read_iso_time(text)
        return at.astimezone(UTC) if at.tzinfo else first_instant(at, ZoneInfo(timezone))
    except (ValueError, OverflowError):
        raise Invalid(f"{option} {text!r} is not a time: {_EXAMPLES}") from None


def read_shift(text: str, *, option: str) -> timedelta:
    """Return a shift such as "+2h" or "-30m". Raises Invalid, which names the option."""
    match = _SHIFT.fullmatch(text)
    if match is None:
        raise Invalid(
            f'{option} {text!r} is not a shift: give "+90s" or "+2h" for later, "-15m" or "-1d" for earlier'
        )
    length = timedelta(seconds=int(match[2]) * _SECONDS[match[3]])
    return -length if match[1] == "-" else length


def _later(now: datetime, seconds: int, text: str, option: str) -> datetime:
    try:
        return now + timedelta(seconds=seconds)
    except OverflowError:
        raise Invalid(f"{option} {text!r} is too far ahead") from None


_EXAMPLES = 'give "2026-12-24 18:30", "2026-12-24T18:30:00+01:00", or "+90s", "+15m", "+2h", "+1d" from now'
