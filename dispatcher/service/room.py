"""
How deep a lane is kept: about `lane_seconds` of what it drains, so that Postgres holds the backlog.

A shallow lane keeps cancelling exact, Redis small, and one account's million
from standing before another's hundred. It is never deeper than what all
providers together take in that time: the rest would be read and find no token.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from dispatcher.domain.tier import Tier
from dispatcher.service.context import Context

SHALLOW = {Tier.CRITICAL: 2000, Tier.STANDARD: 500, Tier.BULK: 500}
_DEEP = 20_000
_LEAST = 20
_SMOOTHING = 0.3


def deepest(ctx: Context, tier: Tier) -> int:
    """Tell how deep a tier's lane may be."""
    taken = sum(way.config.rate(tier) for way in ctx.ways.values()) * ctx.settings.lane_seconds
    return max(_LEAST, min(_DEEP, int(taken)))


def shallow(ctx: Context) -> dict[Tier, int]:
    """Tell how deep each lane is kept however little it drains; a critical message is never kept out."""
    return {
        tier: depth if tier is Tier.CRITICAL else min(depth, deepest(ctx, tier))
        for tier, depth in SHALLOW.items()
    }


class Room:
    """How much room the lanes have for what one transaction accepts; each taker leaves less for the next."""

    def __init__(self, ctx: Context, depths: Mapping[Tier, int]) -> None:
        self._room = {tier: depth - depths.get(tier, 0) for tier, depth in shallow(ctx).items()}

    def take(self, tier: Tier, count: int) -> bool:
        """Tell whether so many messages may go straight into their lane, and count them if they may."""
        fits = count <= self._room[tier]
        if fits:
            self._room[tier] -= count
        return fits


class Drain:
    """Follows one lane from fill to fill, and tells how deep it should be kept."""

    def __init__(self, ctx: Context, tier: Tier) -> None:
        self._shallow = shallow(ctx)[tier]
        self._deepest = deepest(ctx, tier)
        self._seconds = ctx.settings.lane_seconds
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
        target = max(self._shallow, min(self._deepest, int(self._rate * self._seconds)))
        return max(0, target - depth)

    def filled(self, depth: int, *, now: datetime) -> None:
        """Note how deep the lane is after a fill."""
        self._left = (now, depth)
