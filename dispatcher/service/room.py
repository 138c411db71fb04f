"""
How deep a lane is kept: about `lane_seconds` of what it drains, so that Postgres holds the backlog.

A shallow lane keeps cancelling exact, Redis small, and one account's million
from standing before another's hundred.
"""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.tier import Tier
from dispatcher.store import sweeps

SHALLOW = {Tier.CRITICAL: 2000, Tier.STANDARD: 500, Tier.BULK: 500}
_DEEP = 20_000
_SMOOTHING = 0.3


async def has_room(connection: AsyncConnection, tier: Tier, count: int) -> bool:
    """Tell whether so many more messages may go straight into their lane at accept."""
    return count <= SHALLOW[tier] and count + await sweeps.depth(connection, tier) <= SHALLOW[tier]


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
