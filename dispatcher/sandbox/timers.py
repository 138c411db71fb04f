"""Delayed actions: one heap and one timer of the loop, for any number of actions."""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Final

_GRANULARITY: Final = 0.0005
"""Seconds. Actions due within this time run together, so that many of them wake the loop less often."""


class Timers:
    """Actions by time; those of the same time in the order they came. Create it inside the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at = inf  # kept here, because uvloop's handles do not always have it

    def __len__(self) -> int:
        return len(self._due)

    def call(self, delay: float, action: Callable[[], None]) -> None:
        """Run this action `delay` seconds from now."""
        at = self._loop.time() + delay
        heappush(self._due, (at, next(self._numbers), action))
        if self._due[0][0] == at:
            self._set()

    def clear(self) -> None:
        """Delete all actions."""
        self._due.clear()
        self._set()

    def _set(self) -> None:
        """Set the timer for the first action; none if there is no action."""
        first = self._due[0][0] if self._due else inf
        if self._wake is not None and self._wake_at == first:
            return
        if self._wake is not None:
            self._wake.cancel()
        self._wake = self._loop.call_at(first, self._run) if self._due else None
        self._wake_at = first

    def _run(self) -> None:
        self._wake = None
        due, until = self._due, self._loop.time() + _GRANULARITY
        while due and due[0][0] <= until:
            heappop(due)[2]()
        self._set()
