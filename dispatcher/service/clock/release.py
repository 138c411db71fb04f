"""Release of messages that are due, in batches of one tier, so that no tier waits for another's backlog."""

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
    Releases messages that are due. `backlogged` are the tiers in which more than one batch was due.

    In a backlogged tier accounts take turns, and so do the campaigns of each
    account.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._depths = base_depths(ctx)
        self._lock = asyncio.Lock()
        self.backlogged: frozenset[Tier] = frozenset()

    async def release(self) -> int:
        """Move a batch of each tier to `ready` or into its lane; return the number of messages."""
        async with self._lock:
            counts = await self._by_time([tier for tier in Tier if tier not in self.backlogged])
            for tier in self.backlogged:
                counts |= await self._in_turn(tier)
            self.backlogged = frozenset(tier for tier, count in counts.items() if count >= BATCH)
        return sum(counts.values())

    async def next_wake(self) -> datetime | None:
        """Return the earliest `wake_at` of held messages, without those of backlogged tiers."""
        others = [tier for tier in Tier if tier not in self.backlogged]
        return await self._ctx.database.single(lambda c: release.next_wake(c, others, now=self._ctx.now()))

    async def _by_time(self, tiers: Collection[Tier]) -> dict[Tier, int]:
        """Release the messages that are due first."""
        now = self._due()
        return self._publish(
            await self._ctx.database.single(
                lambda c: release.release(c, tiers, now=now, limit=BATCH, depths=self._depths)
            )
        )

    async def _in_turn(self, tier: Tier) -> dict[Tier, int]:
        """Release some messages of each flow that has messages due."""
        now = self._due()
        flows = await self._ctx.database.single(lambda c: release.due_flows(c, tier, now=now))
        return self._publish(
            await self._ctx.database.single(
                lambda c: release.release_in_turn(c, tier, flows, now=now, limit=BATCH, depths=self._depths)
            )
        )

    def _due(self) -> datetime:
        # Our time may be ahead of Postgres's by that much, and no message may be released early.
        return self._ctx.now() - self._ctx.time.uncertainty

    def _publish(self, released: Released) -> dict[Tier, int]:
        for tier in Tier:
            self._ctx.lanes.publish(tier, released.to_lane.get(tier, ()))
        return dict(released.counts)
