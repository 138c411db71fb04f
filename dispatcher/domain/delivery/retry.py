"""When to try again: exponential backoff with full jitter, in the window, not before a provider's hint."""

from datetime import datetime, timedelta
from typing import Protocol


class Jitter(Protocol):
    """What `random.Random` is to us: a source of numbers in [0, 1)."""

    def random(self) -> float: ...  # noqa: D102 - told by the class


def backoff(attempt: int, *, base: timedelta, cap: timedelta, rng: Jitter) -> timedelta:
    """
    Draw the wait after the attempt-th try (from 1): evenly from 0 to min(cap, base * 2 ** (attempt - 1)).

    Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter")
    spreads a herd best; its weakness is that a single wait may be next to
    nothing.
    """
    if attempt < 1 or base <= timedelta(0) or cap < timedelta(0):
        raise ValueError(f"no backoff for attempt {attempt}, base {base}, cap {cap}")
    doublings = attempt - 1
    beyond_cap = doublings >= (cap // base).bit_length()
    bound = cap if beyond_cap else base * 2**doublings
    return bound * rng.random()


def next_try(
    now: datetime,
    attempt: int,
    *,
    not_after: datetime,
    hint: timedelta | None,
    base: timedelta,
    cap: timedelta,
    rng: Jitter,
) -> datetime | None:
    """
    Give the time of the next try after the attempt-th, or None if none fits before not_after.

    It is never before now + hint, the provider's "come back after". A wait
    that does not fit is not shortened: tries would crowd at the window's end.
    """
    wait = max(hint or timedelta(0), backoff(attempt, base=base, cap=cap, rng=rng))
    return now + wait if wait < not_after - now else None
