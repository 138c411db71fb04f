"""The timer: it does not sleep during a backlog, and otherwise sleeps until the next message is due."""

import asyncio
from datetime import datetime, timedelta

from dispatcher.domain.tier import Tier
from dispatcher.lanes.wake import WakeListener
from dispatcher.service.clock.release import BATCH
from dispatcher.service.clock.timer import run_timer
from tests.world import World

SECOND = timedelta(seconds=1)


class SilentListener(WakeListener):
    """Never wakes; advances the time by each wait, and counts the held messages at its start."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.waits: list[tuple[float, int]] = []

    async def next(self, timeout: float) -> datetime | None:
        self.waits.append(
            (timeout, (await self._world.one("SELECT count(*) AS n FROM messages WHERE place = 'held'")).n)
        )
        self._world.time.advance(timedelta(seconds=timeout))
        if len(self.waits) == 3:
            raise asyncio.CancelledError
        return None


async def _timed(world: World) -> list[tuple[float, int]]:
    listener = SilentListener(world)
    try:
        await run_timer(world.ctx, world.clock, listener)
    except asyncio.CancelledError:
        return listener.waits
    raise AssertionError("it ends only when it is cancelled")


def test_the_timer_sleeps_until_the_next_message_is_due_but_at_most_a_second(world: World) -> None:
    async def story() -> None:
        await world.submit(after=1.25 * SECOND)
        assert await _timed(world) == [(1.0, 1), (0.25, 1), (0.2, 0)]

    world.run(story)


def test_the_timer_does_not_sleep_during_a_backlog_even_if_another_releases_too(world: World) -> None:
    async def story() -> None:
        await world.submit([f"+2547{n:08}" for n in range(3 * BATCH)], tier=Tier.BULK, after=SECOND)
        world.time.advance(SECOND)
        beside = asyncio.create_task(world.clock.release())
        held = [held for _, held in await _timed(world)]
        assert held == [0, 0, 0], "it slept only when all were released"
        assert await beside == BATCH

    world.run(story)
