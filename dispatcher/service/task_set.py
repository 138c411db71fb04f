"""Tasks that run beside the code that starts them."""

import asyncio
from collections.abc import Coroutine

from structlog.typing import FilteringBoundLogger


class TaskSet:
    """
    Tasks that nobody awaits one by one. None is lost: each is kept until it ends, and its failure is logged.

    `failed` is the event that is logged when a task raises.
    """

    def __init__(self, log: FilteringBoundLogger, failed: str) -> None:
        self._log = log
        self._failed = failed
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> None:
        """Run this, beginning with the loop's next turn."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    async def wait(self) -> None:
        """Wait until none runs, those started meanwhile included."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def cancel(self) -> None:
        """Cancel those that run, and wait for their end."""
        for task in self._tasks:
            task.cancel()
        await self.wait()

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error(self._failed, exc_info=error)
