"""Checks of peers that may never answer: each runs at most once at a time, and is waited for briefly."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from typing import Any, TypeVar

Result = TypeVar("Result")

LIMIT = timedelta(seconds=0.5)
"""How long a check is waited for."""


class BoundedChecks:
    """
    The checks of one process.

    A check that has not answered goes on, because cancelling it could wait for
    the same peer. A caller that comes meanwhile gets its answer, so that a
    probe every second does not pile up checks.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Future[Any]] = {}

    async def run(self, name: Hashable, check: Callable[[], Awaitable[Result]], *, late: Result) -> Result:
        """Return the result of a check; `late` if it does not answer within LIMIT."""
        running = self._running.get(name)
        if running is None:
            running = self._running[name] = asyncio.ensure_future(check())
            running.add_done_callback(lambda _: self._running.pop(name))
        done, _ = await asyncio.wait({running}, timeout=LIMIT.total_seconds())
        result: Result = running.result() if done else late
        return result

    async def close(self) -> None:
        """Wait for the checks that run, for as long as for their answers, and cancel the others."""
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=LIMIT.total_seconds())
        for running in list(self._running.values()):
            running.cancel()
        if self._running:
            await asyncio.wait(list(self._running.values()))
