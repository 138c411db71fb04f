"""Durations in a form for people."""

from datetime import timedelta

_MILLISECOND = timedelta(milliseconds=1)
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def format_duration(length: timedelta) -> str:
    """
    Return a duration rounded for people: "12 ms", "3.4 s", "2 min 5 s", "3 d 4 h".

    It has at most two units and no sign.
    """
    length = abs(length)
    if length < timedelta(seconds=1):
        return f"{round(length / _MILLISECOND)} ms"
    if length < timedelta(seconds=10):
        return f"{length.total_seconds():.1f} s"
    rest = int(length.total_seconds())
    parts: list[tuple[int, str]] = []
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)
