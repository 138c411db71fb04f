"""What is due leaves `held`, a batch of each tier at a time, so that no tier waits for another's crowd."""

import asyncio
from collections.abc import Collection
from datetime import datetime
from typing import Final

from dispatcher.domain.tier import Tier
from dispatcher.service.context import Context
from dispatcher.service.lane_depth import base_depths
from dispatcher.store.clock import release
from dispatcher.store.clock.release import Released

BATCH: Final = 1000


class Releaser:
    """
    Releases, and remembers in which tiers a crowd is due: more than a batch.

    In a crowd accounts take turns, and each account's campaigns.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._depths = base_depths(ctx)
        self._turn = asyncio.Lock()
        self.backlogged: frozenset[Tier] = frozenset()

    async def release(self) -> int:
        """Move a batch of each tier to `ready`, or straight into its lane; give how many. One at a time."""
        async with self._turn:
            counts = await self._first([tier for tier in Tier if tier not in self.backlogged])
            for tier in self.backlogged:
                counts |= await self._in_turn(tier)
            self.backlogged = frozenset(tier for tier, count in counts.items() if count >= BATCH)
        return sum(counts.values())

    async def next_wake(self) -> datetime | None:
        """Tell when the earliest held message wants to be looked at, but for those of a crowd."""
        others = [tier for tier in Tier if tier not in self.backlogged]
        return await self._ctx.database.single(lambda c: release.next_wake(c, others, now=self._ctx.now()))

    async def _first(self, tiers: Collection[Tier]) -> dict[Tier, int]:
        """Release what is due first."""
        now = self._due()
        return self._publish(
            await self._ctx.database.single(
                lambda c: release.release(c, tiers, now=now, limit=BATCH, depths=self._depths)
            )
        )

    async def _in_turn(self, tier: Tier) -> dict[Tier, int]:
        """Release some of whatever flow has something due."""
        now = self._due()
        flows = await self._ctx.database.single(lambda c: release.due_flows(c, tier, now=now))
        return self._publish(
            await self._ctx.database.single(
                lambda c: release.release_in_turn(c, tier, flows, now=now, limit=BATCH, depths=self._depths)
            )
        )

    def _due(self) -> datetime:
        # Half of the fastest round trip is how far ahead of Postgres we may be: never early.
        return self._ctx.now() - self._ctx.time.uncertainty

    def _publish(self, released: Released) -> dict[Tier, int]:
        for tier in Tier:
            self._ctx.lanes.publish(tier, released.to_lane.get(tier, ()))
        return dict(released.counts)
