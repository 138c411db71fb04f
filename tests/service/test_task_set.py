"""Task sets: each task can be awaited, and its failure is logged."""

import asyncio

import structlog
from structlog.testing import capture_logs

from dispatcher.service.task_set import TaskSet


def _tasks(noted: list[BaseException] | None = None) -> TaskSet:
    noted = [] if noted is None else noted
    log = structlog.get_logger().bind(provider="sim")
    return TaskSet(log, "sending_failed", on_failure=noted.append)


def test_a_failure_is_noted_and_logged_with_the_values_bound_to_the_log() -> None:
    noted: list[BaseException] = []

    async def fail() -> None:
        raise ValueError("bug")

    async def story() -> None:
        tasks = _tasks(noted)
        tasks.start(fail())
        await tasks.wait()

    with capture_logs() as logs:
        asyncio.run(story())
    [entry] = logs
    assert (entry["event"], entry["provider"], entry["log_level"]) == ("sending_failed", "sim", "error")
    assert noted == [entry["exc_info"]]
    assert isinstance(noted[0], ValueError)


def test_tasks_that_a_task_starts_are_awaited_too() -> None:
    async def story() -> None:
        tasks, ended = _tasks(), list[int]()

        async def work(depth: int) -> None:
            await asyncio.sleep(0)
            if depth:
                tasks.start(work(depth - 1))
            ended.append(depth)

        tasks.start(work(3))
        await tasks.wait()
        assert ended == [3, 2, 1, 0]

    asyncio.run(story())


def test_cancelled_tasks_end_without_a_failure() -> None:
    async def story() -> None:
        tasks = _tasks()
        tasks.start(asyncio.Event().wait())  # type: ignore[arg-type]
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await tasks.cancel()

    with capture_logs() as logs:
        asyncio.run(story())
    assert logs == []
