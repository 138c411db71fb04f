"""The instant of a local time, also on the days on which clocks change."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

_TICK = timedelta(microseconds=1)


def first_instant(wall: datetime, zone: tzinfo) -> datetime:
    """
    Return the first instant, in UTC, at which clocks in this zone show `wall`, a time without a zone.

    For a time that occurs twice this is its first occurrence, for a time that
    is skipped the moment of the change. Raises OverflowError within a day of
    the start of year 1 or the end of year 9999.
    """
    early = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if early.astimezone(zone).replace(tzinfo=None) == wall:
        return early
    # PEP 495: in a gap, fold 1 uses the offset after the change and gives an instant before it.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _change_between(before, early, zone)


def last_instant(wall: datetime, zone: tzinfo) -> datetime:
    """
    Return the instant, in UTC, from which on clocks in this zone never show less than `wall`.

    It differs from first_instant only for a time that occurs twice, where it
    is the second occurrence. Raises OverflowError as first_instant does.
    """
    first = first_instant(wall, zone)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    # If the clock goes back to `wall` itself, it shows no less after the first occurrence either.
    goes_below = second > first and (second - _TICK).astimezone(zone).replace(tzinfo=None) < wall
    return second if goes_below else first


def format_instant(at: datetime, zone: str) -> str:
    """
    Return an instant in UTC, to the millisecond, and in a zone with another time beside it.

    "2026-03-01 22:00:00.000 UTC (2026-03-02 01:00:00 Africa/Nairobi)"; the date only if it differs.
    """
    utc = at.astimezone(UTC)
    local = at.astimezone(ZoneInfo(zone))
    shown = f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03} UTC"
    if local.replace(tzinfo=None) == utc.replace(tzinfo=None):
        return shown
    return f"{shown} ({local:{'%H:%M:%S' if local.date() == utc.date() else '%Y-%m-%d %H:%M:%S'}} {zone})"


def _change_between(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """Return the second at which the offset changes between two instants."""
    old = before.astimezone(zone).utcoffset()
    low, high = 0, int((after - before) / timedelta(seconds=1))
    while high - low > 1:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return (before + timedelta(seconds=high)).replace(microsecond=0)
