"""Times as they are typed: "+90s", "2026-12-24 18:30", "2026-12-24T18:30:00+01:00"."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from dispatcher.domain.errors import Invalid
from dispatcher.domain.hours.local_time import first_instant

_FROM_NOW = re.compile(r"\+(\d{1,9})(s|m|h|d)")
_SHIFT = re.compile(r"([+-])(\d{1,9})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

_LENGTH = re.compile(r"(\d{1,6})(s|m|h|d)")


def read_duration(text: str, *, option: str) -> timedelta:
    """Return a length of time: "90s", "3h". Raises Invalid, which names the option."""
    fitting = _LENGTH.fullmatch(text)
    if fitting is None:
        raise Invalid(f'{option} {text!r} is no length of time: give "90s", "30m", "3h" or "2d"')
    return timedelta(seconds=int(fitting[1]) * _SECONDS[fitting[2]])


def read_day(text: str, *, option: str) -> date:
    """Return a day: "2026-12-24". Raises Invalid, which names the option."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(f'{option} {text!r} is no day: give one like "2026-12-24"') from None


def read_time(text: str, *, now: datetime, timezone: str, option: str) -> datetime:
    """
    Return a time; without an offset it is in the account's time zone.

    Raises Invalid, which names the option.
    """
    if fitting := _FROM_NOW.fullmatch(text):
        return _later(now, int(fitting[1]) * _SECONDS[fitting[2]], text, option)
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else first_instant(at, ZoneInfo(timezone))
    except (ValueError, OverflowError):
        raise Invalid(f"{option} {text!r} is no time: {_EXAMPLES}") from None


def read_shift(text: str, *, option: str) -> timedelta:
    """Return a shift: "+2h", "-30m". Raises Invalid, which names the option."""
    fitting = _SHIFT.fullmatch(text)
    if fitting is None:
        raise Invalid(
            f'{option} {text!r} is no shift: give "+90s", "+2h" for later, "-15m", "-1d" for earlier'
        )
    length = timedelta(seconds=int(fitting[2]) * _SECONDS[fitting[3]])
    return -length if fitting[1] == "-" else length


def _later(now: datetime, seconds: int, text: str, option: str) -> datetime:
    try:
        return now + timedelta(seconds=seconds)
    except OverflowError:
        raise Invalid(f"{option} {text!r} is too far ahead") from None


_EXAMPLES = 'give "2026-12-24 18:30", "2026-12-24T18:30:00+01:00", or "+90s", "+15m", "+2h", "+1d" from now'
