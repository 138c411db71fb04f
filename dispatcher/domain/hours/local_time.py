"""What instant a wall clock means, also on the two days a year when it jumps."""

from datetime import UTC, datetime, timedelta, tzinfo

_TICK = timedelta(microseconds=1)


def first_instant(wall: datetime, zone: tzinfo) -> datetime:
    """
    Give the first instant, in UTC, at which clocks in this zone show `wall`.

    A time that comes twice means its first coming. A time that is skipped
    means the moment of the jump: the first at which it has passed. `wall`
    has no zone of its own. Raises OverflowError within a day of year 1 or
    of year 9999's end.
    """
    early = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if early.astimezone(zone).replace(tzinfo=None) == wall:
        return early
    # PEP 495: in a gap, fold 1 reads the wall with the offset after the jump and lands before it.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _jump(before, early, zone)


def last_instant(wall: datetime, zone: tzinfo) -> datetime:
    """
    Give the instant, in UTC, from which on clocks in this zone no more show less than `wall`.

    It differs from first_instant only within a time that comes twice, where
    it is the second coming. Raises OverflowError as first_instant does.
    """
    first = first_instant(wall, zone)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    # When the clock goes back to `wall` itself, it shows no less after the first coming either.
    goes_below = second > first and (second - _TICK).astimezone(zone).replace(tzinfo=None) < wall
    return second if goes_below else first


def _jump(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """Find the second at which the offset changes between the two."""
    old = before.astimezone(zone).utcoffset()
    low, high = 0, int((after - before) / timedelta(seconds=1))
    while high - low > 1:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return (before + timedelta(seconds=high)).replace(microsecond=0)
