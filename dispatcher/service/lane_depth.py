"""
The depth of a lane: about as many messages as it drains in `lane_seconds`. Postgres holds the backlog.

A shallow lane keeps cancellations exact and Redis small, and keeps the million
messages of one account from delaying the hundred of another. A lane is never
deeper than all providers together accept in that time: a worker would read
the other messages and find no token for them.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from dispatcher.domain.tier import Tier
from dispatcher.service.context import Context

SHALLOW = {Tier.CRITICAL: 2000, Tier.STANDARD: 500, Tier.BULK: 500}
_DEEPEST = 20_000
_LEAST = 20
_SMOOTHING = 0.3


def max_depth(ctx: Context, tier: Tier) -> int:
    """Return the greatest depth of a tier's lane."""
    rate = sum(configured.config.rate(tier) for configured in ctx.providers.values())
    return max(_LEAST, min(_DEEPEST, int(rate * ctx.settings.lane_seconds)))


def base_depths(ctx: Context) -> dict[Tier, int]:
    """Return the depth of each lane that drains slowly: within `max_depth`, except for critical messages."""
    return {
        tier: depth if tier is Tier.CRITICAL else min(depth, max_depth(ctx, tier))
        for tier, depth in SHALLOW.items()
    }


class LaneRoom:
    """The room in the lanes for the messages that one transaction accepts."""

    def __init__(self, ctx: Context, depths: Mapping[Tier, int]) -> None:
        self._room = {tier: depth - depths.get(tier, 0) for tier, depth in base_depths(ctx).items()}

    def fits(self, tier: Tier, count: int) -> bool:
        """Whether this many messages may go straight into their lane."""
        return count <= self._room[tier]

    def take(self, tier: Tier, count: int) -> bool:
        """Whether this many messages may go straight into their lane; if so, reduce the room that is left."""
        fits = self.fits(tier, count)
        if fits:
            self._room[tier] -= count
        return fits


class DrainRate:
    """Measures how fast one lane drains between fills, and computes the depth that it should have."""

    def __init__(self, ctx: Context, tier: Tier) -> None:
        self._shallow = base_depths(ctx)[tier]
        self._deepest = max_depth(ctx, tier)
        self._seconds = ctx.settings.lane_seconds
        self._rate = 0.0
        self._left: tuple[datetime, int] | None = None

    def room(self, depth: int, *, now: datetime) -> int:
        """Return how many more messages the lane may take, given its depth."""
        if self._left is not None:
            at, left = self._left
            passed = (now - at) / timedelta(seconds=1)
            if passed > 0:
                drained = max(0, left - depth) / passed
                # A lane that is empty drained at least that fast, so a rising rate is not smoothed.
                smooth = self._rate + _SMOOTHING * (drained - self._rate)
                self._rate = max(drained, smooth) if depth == 0 else smooth
        target = max(self._shallow, min(self._deepest, int(self._rate * self._seconds)))
        return max(0, target - depth)

    def filled(self, depth: int, *, now: datetime) -> None:
        """Record the depth of the lane after a fill."""
        self._left = (now, depth)
