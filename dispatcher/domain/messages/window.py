"""Windows: a message may be sent from `not_before` up to but excluding `not_after`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

MAX_AHEAD = timedelta(days=731)
"""How far ahead a message may be scheduled: two years, one of them a leap year."""


class Phase(Enum):
    """The position of a time relative to a window."""

    EARLY = auto()  # hold it
    OPEN = auto()  # send it
    OVER = auto()  # cancel it


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of time. Raises ValueError if it is empty, or if a time has no zone."""

    not_before: datetime
    not_after: datetime

    def __post_init__(self) -> None:
        if self.not_before.tzinfo is None or self.not_after.tzinfo is None:
            raise ValueError(f"a window needs times with a zone, got {self.not_before} and {self.not_after}")
        if self.not_after <= self.not_before:
            raise ValueError(f"a window must end after it starts: {self.not_before} .. {self.not_after}")

    @classmethod
    def of(
        cls, now: datetime, *, not_before: datetime | None, not_after: datetime | None, validity: timedelta
    ) -> "Window":
        """
        Return a window with defaults for what the client left out.

        A `not_before` in the past means now, so that a client whose clock is
        slow is served. The default `not_after` counts from the start, so that
        a message scheduled for next week does not expire before it. Raises
        ValueError if `not_after` leaves no time.
        """
        start = max(not_before or now, now)
        return cls(start, not_after or start + validity)

    def phase(self, now: datetime) -> Phase:
        """Return the position of `now` relative to the window."""
        if now < self.not_before:
            return Phase.EARLY
        return Phase.OPEN if now < self.not_after else Phase.OVER
