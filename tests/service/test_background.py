"""Background tasks: a task that fails is restarted and reported."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from dispatcher.service.background import BackgroundTasks
from dispatcher.service.health.readiness import readiness
from tests.world import World


def _run(world: World, story: Callable[[BackgroundTasks], Awaitable[None]]) -> None:
    async def with_tasks() -> None:
        tasks = BackgroundTasks(world.ctx.background.failures, pause=timedelta(0))
        async with asyncio.timeout(10):
            await story(tasks)
            await tasks.close()

    world.run_without_account(with_tasks)


def test_a_task_that_fails_is_restarted_and_readyz_reports_it(world: World) -> None:
    async def story(tasks: BackgroundTasks) -> None:
        runs, back = 0, asyncio.Event()

        async def work() -> None:
            nonlocal runs
            runs += 1
            if runs < 3:
                raise KeyError("a bug")
            back.set()
            await asyncio.Event().wait()

        tasks.start("routes", work)
        await back.wait()
        await tasks.failures.write()
        [line] = [line for line in (await readiness(world.ctx)).degraded if "routes" in line]
        assert line.startswith("background: routes of test has failed 2 times: KeyError at ")

    _run(world, story)


def test_a_cancellation_of_something_the_task_awaits_is_a_failure(world: World) -> None:
    async def story(tasks: BackgroundTasks) -> None:
        runs, back = 0, asyncio.Event()

        async def work() -> None:
            nonlocal runs
            runs += 1
            if runs == 2:
                back.set()
                await asyncio.Event().wait()
            inner = asyncio.get_running_loop().create_future()
            inner.cancel()
            await inner

        tasks.start("routes", work)
        await back.wait()

    _run(world, story)


def test_a_task_that_returns_is_not_restarted(world: World) -> None:
    async def story(tasks: BackgroundTasks) -> None:
        runs = 0

        async def work() -> None:
            nonlocal runs
            runs += 1

        tasks.start("routes", work)
        for _ in range(10):
            await asyncio.sleep(0)
        assert runs == 1

    _run(world, story)


def test_closing_ends_all_tasks(world: World) -> None:
    async def story(tasks: BackgroundTasks) -> None:
        ended, begun = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        tasks.start("routes", work)
        await begun.wait()
        await tasks.close()
        assert ended.is_set()

    _run(world, story)
