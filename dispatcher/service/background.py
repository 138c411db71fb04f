"""Tasks that run beside the requests: started again when they fail, and shown by `/readyz` and `doctor`."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from dispatcher.lanes.failures import FailureLog

log = structlog.get_logger()

_PAUSE = timedelta(seconds=1)
_CLOSE = 5.0


class BackgroundTasks:
    """The background tasks of one process. None of them ends unnoticed."""

    def __init__(self, failures: FailureLog, *, pause: timedelta = _PAUSE) -> None:
        self.failures = failures
        self._pause = pause
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> "asyncio.Task[None]":
        """
        Run `work` until it returns or all is closed, and again after a pause when it raises.

        `work` handles the faults that it expects, such as Unavailable; what it
        raises counts as a failure under `name`. The task that is returned may
        be cancelled before the others.
        """
        task = asyncio.create_task(self._supervise(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Cancel all of them and wait until they have ended, a few seconds at most."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE)

    async def _supervise(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.current_task()
        assert task is not None
        while True:
            try:
                await work()
            except asyncio.CancelledError as error:
                if task.cancelling():
                    raise
                self._failed(name, error)  # something that it awaited was cancelled, and not this task
            except Exception as error:
                self._failed(name, error)
            else:
                return
            await asyncio.sleep(self._pause.total_seconds())

    def _failed(self, name: str, error: BaseException) -> None:
        log.error("background_task_failed", task=name, exc_info=error)
        self.failures.note(name, error)
