"""
When a callback is tried again: over days, at growing intervals, a little later than planned by chance.

Chance spreads the callbacks of an outage, which failed together, so that the
receiver that comes back is not asked for all of them at once.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from dispatcher.domain.delivery.retry import Jitter

GONE: Final = 410
"""The status with which a URL asks never to be called again (RFC 9110, 15.5.11)."""

_LONGEST_DELAY = 0.2  # as a part of the pause


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """The pauses between the tries of a callback; there is one try more than pauses."""

    pauses: tuple[timedelta, ...]

    def pause_after(self, tries: int, rng: Jitter) -> timedelta | None:
        """Return how long to wait after the try with this number, from 1; None after the last one."""
        if tries > len(self.pauses):
            return None
        return self.pauses[tries - 1] * (1 + _LONGEST_DELAY * rng.random())


STANDARD_RETRIES: Final = RetrySchedule(
    (
        timedelta(seconds=5),
        timedelta(seconds=30),
        timedelta(minutes=5),
        timedelta(minutes=30),
        *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
    )
)
"""The example of Standard Webhooks, with one try more in the first minute, for a receiver that restarts."""

PHONE_RETRIES: Final = RetrySchedule(
    tuple(min(timedelta(seconds=10) * 2**doublings, timedelta(hours=5)) for doublings in range(14))
)
"""As SMS Gateway's app does: 15 tries, from 10 seconds on, each pause twice as long, at most 5 hours."""
