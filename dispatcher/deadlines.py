"""
Time-outs of many short calls at once.

`asyncio.timeout` sets a timer for each call and takes it back, which was a tenth of
what a worker did. Calls that may take equally long are over in the order in which they
began, so one timer serves them all.
"""

import asyncio
from types import TracebackType


class Deadlines:
    """Time-outs of so many seconds each, for one loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[Deadline, float] = {}  # until when, soonest first
        self._timer: asyncio.TimerHandle | None = None

    def deadline(self) -> "Deadline":
        """Give a block that raises TimeoutError when it takes longer; for `with`, in a task."""
        return Deadline(self)

    def began(self, deadline: "Deadline") -> None:
        """Let this one run from now on."""
        loop = asyncio.get_running_loop()
        at = self._running[deadline] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(at, self._ring)

    def ended(self, deadline: "Deadline") -> bool:
        """End this one; tell whether it was in time."""
        return self._running.pop(deadline, None) is not None

    def _ring(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._running:
            deadline, at = next(iter(self._running.items()))
            if at > now:
                self._timer = loop.call_at(at, self._ring)
                return
            del self._running[deadline]
            deadline.over()


class Deadline:
    """The time-out of one block, as `asyncio.timeout` has it; see there for what cancelling means."""

    __slots__ = ("_cancelling", "_deadlines", "_task")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines

    def __enter__(self) -> None:
        """Begin."""
        task = asyncio.current_task()
        assert task is not None, "a deadline is for a task"
        self._task = task
        self._cancelling = task.cancelling()
        self._deadlines.began(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End. Raises TimeoutError if the block was cancelled for its time, and by nobody else."""
        if self._deadlines.ended(self):
            return
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def over(self) -> None:
        """Cancel the block: its time is over."""
        self._task.cancel()
