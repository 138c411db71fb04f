"""Tasks that nobody awaits one by one."""

import asyncio
from collections.abc import Callable, Coroutine

from structlog.typing import FilteringBoundLogger


class TaskSet:
    """
    Keeps each task until it ends, and logs its failure.

    `failed` is the log event of a task that raises, and `on_failure` gets its error.
    """

    def __init__(
        self, log: FilteringBoundLogger, failed: str, *, on_failure: Callable[[BaseException], None]
    ) -> None:
        self._log = log
        self._failed = failed
        self._on_failure = on_failure
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> None:
        """Start a task; it begins in the next iteration of the loop."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    async def wait(self) -> None:
        """Wait until no task runs, including tasks that are started meanwhile."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def cancel(self) -> None:
        """Cancel all tasks, and wait until they have ended."""
        for task in self._tasks:
            task.cancel()
        await self.wait()

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error(self._failed, exc_info=error)
            self._on_failure(error)
