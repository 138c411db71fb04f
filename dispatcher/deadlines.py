"""
Time-outs for many short calls at once.

`asyncio.timeout` sets and cancels a timer for each call, which took a tenth of
a worker's processor time. Calls with the same time-out expire in the order in
which they began, so one timer serves them all.
"""

import asyncio
from types import TracebackType
from typing import Protocol


class Expires(Protocol):
    """Work that can take too long."""

    def expire(self) -> None:
        """End the work: its time is over. It must not raise."""


class Deadlines:
    """Time-outs of `seconds` each, for the calls of one loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[Expires, float] = {}  # the loop time at which each expires, soonest first
        self._timer: asyncio.TimerHandle | None = None

    def deadline(self) -> "Deadline":
        """Return a context manager, for a task, that raises TimeoutError when its block takes longer."""
        return Deadline(self)

    def __len__(self) -> int:
        """Return how much work is running."""
        return len(self._running)

    def oldest(self) -> Expires | None:
        """Return the work that expires next; None if there is none."""
        return next(iter(self._running), None)

    def start(self, work: Expires) -> None:
        """Start the time of work, unless it is running."""
        if work in self._running:
            return
        loop = asyncio.get_running_loop()
        at = self._running[work] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(at, self._expire_due)

    def stop(self, work: Expires) -> bool:
        """Stop the time of work; return whether it ended in time."""
        return self._running.pop(work, None) is not None

    def _expire_due(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._running:
            work, at = next(iter(self._running.items()))
            if at > now:
                self._timer = loop.call_at(at, self._expire_due)
                return
            del self._running[work]
            work.expire()


class Deadline:
    """The time-out of one block; it treats cancellation as `asyncio.timeout` does."""

    __slots__ = ("_cancelling", "_deadlines", "_task")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines

    def __enter__(self) -> None:
        """Start the time."""
        task = asyncio.current_task()
        assert task is not None, "a deadline is for a task"
        self._task = task
        self._cancelling = task.cancelling()
        self._deadlines.start(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the time. Raises TimeoutError if the block was cancelled by this deadline alone."""
        if self._deadlines.stop(self):
            return
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Cancel the block."""
        self._task.cancel()
