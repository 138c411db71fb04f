"""When to retry: exponential backoff with full jitter, inside the window, not before a provider's hint."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait for a receipt and between attempts, and how often a provider may defer a message."""

    receipt: timedelta
    backoff_base: timedelta
    backoff_cap: timedelta
    max_deferrals: int = 10


class Jitter(Protocol):
    """A source of numbers in [0, 1), such as `random.Random`."""

    def random(self) -> float: ...  # noqa: D102 - see the class


def backoff(attempt: int, *, base: timedelta, cap: timedelta, rng: Jitter) -> timedelta:
    """
    Return a random wait after an attempt (from 1), uniform from 0 to min(cap, base * 2 ** (attempt - 1)).

    Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter")
    spreads simultaneous retries best. Its weakness is that a single wait may
    be close to zero.
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
    Return the time of the try after this attempt, or None if it would not be before `not_after`.

    It is never before now + `hint`, the wait that the provider asked for. A
    wait that is too long is not shortened, because retries would then pile up
    at the end of the window.
    """
    wait = max(hint or timedelta(0), backoff(attempt, base=base, cap=cap, rng=rng))
    return now + wait if wait < not_after - now else None
