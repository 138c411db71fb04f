"""Background tasks of a process: restarted when they fail. `/readyz` and `doctor` show the failures."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from dispatcher.lanes.failures import FailureLog

log = structlog.get_logger()

_PAUSE = timedelta(seconds=1)
_CLOSE_TIMEOUT = 5.0


class BackgroundTasks:
    """The background tasks of one process. A task that fails is logged, noted in `failures` and restarted."""

    def __init__(self, failures: FailureLog, *, pause: timedelta = _PAUSE) -> None:
        self.failures = failures
        self._pause = pause
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> "asyncio.Task[None]":
        """
        Run `work` until it returns, again after a pause when it raises; return the task.

        `work` handles the errors that it expects, such as Unavailable; any
        error that it raises is noted as a failure under `name`. The caller may
        cancel the task before `close` does.
        """
        task = asyncio.create_task(self._supervise(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Cancel all tasks and wait until they have ended, at most five seconds."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_TIMEOUT)

    async def _supervise(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.current_task()
        assert task is not None
        while True:
            try:
                await work()
            except asyncio.CancelledError as error:
                if task.cancelling():
                    raise
                self._note_failure(name, error)  # something that it awaited was cancelled, not this task
            except Exception as error:
                self._note_failure(name, error)
            else:
                return
            await asyncio.sleep(self._pause.total_seconds())

    def _note_failure(self, name: str, error: BaseException) -> None:
        log.error("background_task_failed", task=name, exc_info=error)
        self.failures.note(name, error)
