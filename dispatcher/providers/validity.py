"""How long a provider may try to deliver a message: until its window ends, within the provider's bounds."""

from datetime import datetime, timedelta

SECOND = timedelta(seconds=1)


def time_left(
    not_after: datetime,
    *,
    now: datetime,
    shortest: timedelta = SECOND,
    longest: timedelta | None = None,
) -> timedelta:
    """
    Return the time until the window ends, at least `shortest` and at most `longest`.

    A window is exceeded only if it ends in less than `shortest`, and by less than that.
    """
    left = max(not_after - now, shortest)
    return left if longest is None else min(left, longest)
