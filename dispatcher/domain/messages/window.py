"""When a message may be sent: from not_before, up to but excluding not_after."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

MAX_AHEAD = timedelta(days=731)
"""How far ahead a message may be scheduled: two years, one of them a leap year."""


class Phase(Enum):
    """Where a moment lies against a window."""

    EARLY = auto()  # hold it
    OPEN = auto()  # send it
    OVER = auto()  # cancel it


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of time. Both ends are aware; an empty window cannot be made."""

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
        Fill in what the client left out.

        A not_before in the past means "now", so a client whose clock runs
        late is served, and a default not_after counts from the later of the
        two: a message scheduled for next week has not expired when it is
        accepted. Raises ValueError when not_after leaves nothing.
        """
        start = max(not_before or now, now)
        return cls(start, not_after or start + validity)

    def phase(self, now: datetime) -> Phase:
        """Tell where `now` lies."""
        if now < self.not_before:
            return Phase.EARLY
        return Phase.OPEN if now < self.not_after else Phase.OVER
