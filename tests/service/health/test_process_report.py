"""Each process reports itself, with the distance of its wall clock from Postgres."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.failed_logins import FailedLoginCount
from dispatcher.lanes.celery_app import QUEUES
from dispatcher.lanes.process_report import ProcessReport
from dispatcher.service.context import Context
from dispatcher.service.health import process_report
from dispatcher.service.health.process_report import first_report, keep_reporting
from dispatcher.service.health.readiness import readiness
from dispatcher.settings import Settings
from tests.world import World


async def _processes(ctx: Context) -> Sequence[ProcessReport]:
    reading = await ctx.heartbeats.read(QUEUES, now=ctx.now())
    assert reading is not None
    return reading.processes


@pytest.mark.parametrize(
    ("seconds", "words"), [(30, "30 s ahead of"), (-3, "3.0 s behind"), (1, ""), (-2, "")]
)
def test_a_process_whose_wall_clock_is_off_is_named(world: World, seconds: int, words: str) -> None:
    async def story() -> None:
        def wall() -> datetime:
            return world.time.now() + timedelta(seconds=seconds)

        await world.ctx.heartbeats.report(first_report(world.ctx, "worker bulk", wall=wall))
        found = [line for line in (await readiness(world.ctx)).degraded if "wall clock" in line]
        if not words:
            assert found == []
            return
        [line] = found
        assert line.startswith("process clocks: the wall clock of worker bulk (process ")
        assert f" is {words} Postgres -> run NTP" in line

    world.run_without_account(story)


def test_a_process_reports_itself_until_it_ends(world: World) -> None:
    async def story() -> None:
        first = first_report(world.ctx, "worker bulk", queues=frozenset({"bulk"}))
        task = world.ctx.background.start("report", lambda: keep_reporting(world.ctx, first))
        async with asyncio.timeout(5):
            while not await _processes(world.ctx):  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.01)
        assert list(await _processes(world.ctx)) == [first]
        task.cancel()
        await asyncio.wait([task])
        assert list(await _processes(world.ctx)) == []

    world.run_without_account(story)


def test_the_context_of_a_worker_reports_its_queues(settings: Settings) -> None:
    async def story() -> None:
        queues = frozenset({"bulk"})
        async with open_context(settings, name="worker bulk", queues=queues) as ctx:
            async with asyncio.timeout(5):
                while not (found := await _processes(ctx)):  # noqa: ASYNC110 - nothing signals it
                    await asyncio.sleep(0.01)
            assert [(report.name, report.queues) for report in found] == [("worker bulk", queues)]

    asyncio.run(story())


def test_a_process_reports_its_failed_logins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_report, "_INTERVAL", timedelta(milliseconds=20))

    async def story() -> None:
        task = world.ctx.background.start(
            "report", lambda: keep_reporting(world.ctx, first_report(world.ctx, "api"))
        )
        world.ctx.failed_logins.note("203.0.113.9", now=world.ctx.now())
        async with asyncio.timeout(5):
            while not await _processes(world.ctx):  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.01)
        [report] = await _processes(world.ctx)
        assert report.failed_logins == FailedLoginCount(1, "203.0.113.9", 1)
        task.cancel()
        await asyncio.wait([task])

    world.run_without_account(story)
