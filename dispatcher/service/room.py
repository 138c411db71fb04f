"""
How deep a lane is kept: about `lane_seconds` of what it drains, so that Postgres holds the backlog.

A shallow lane keeps cancelling exact, Redis small, and one account's million
from standing before another's hundred.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from dispatcher.domain.tier import Tier

SHALLOW = {Tier.CRITICAL: 2000, Tier.STANDARD: 500, Tier.BULK: 500}
_DEEP = 20_000
_SMOOTHING = 0.3


class Room:
    """How much room the lanes have for what one transaction accepts; each taker leaves less for the next."""

    def __init__(self, depths: Mapping[Tier, int]) -> None:
        self._depths = dict(depths)

    def take(self, tier: Tier, count: int) -> bool:
        """Tell whether so many messages may go straight into their lane, and count them if they may."""
        fits = self._depths[tier] + count <= SHALLOW[tier]
        if fits:
            self._depths[tier] += count
        return fits


class Drain:
    """Follows one lane from fill to fill, and tells how deep it should be kept."""

    def __init__(self, tier: Tier, *, lane_seconds: float) -> None:
        self._shallow = SHALLOW[tier]
        self._seconds = lane_seconds
        self._rate = 0.0
        self._left: tuple[datetime, int] | None = None

    def room(self, depth: int, *, now: datetime) -> int:
        """Tell how many more the lane may take, given how many are in it."""
        if self._left is not None:
            at, left = self._left
            passed = (now - at) / timedelta(seconds=1)
            if passed > 0:
                drained = max(0, left - depth) / passed
                # A lane found empty drained at least that fast: no smoothing on the way up.
                smooth = self._rate + _SMOOTHING * (drained - self._rate)
                self._rate = max(drained, smooth) if depth == 0 else smooth
        target = min(_DEEP, max(self._shallow, int(self._rate * self._seconds)))
        return max(0, target - depth)

    def filled(self, depth: int, *, now: datetime) -> None:
        """Note how deep the lane is after a fill."""
        self._left = (now, depth)
