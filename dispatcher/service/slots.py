"""
How many calls to one provider may be out at once, in this process.

As many as its rate needs at its present latency, and a margin: more would
not go faster, and would leave more in doubt when this process is killed.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dispatcher.domain.provider import ProviderConfig

_MARGIN = 1.25
_LEAST = 2
_SMOOTHING = 0.05
_FIRST_LATENCY = 0.05


class Slots:
    """Bounds the calls that are out; the bound follows rate × latency."""

    def __init__(self, config: ProviderConfig) -> None:
        self._tps = config.tps
        self._most = config.max_connections
        self._latency = _FIRST_LATENCY
        self._out = 0
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def limit(self) -> int:
        """How many calls may be out now."""
        wanted = math.ceil(self._tps * self._latency * _MARGIN)
        return max(_LEAST, min(self._most, wanted))

    @property
    def out(self) -> int:
        """How many calls are out."""
        return self._out

    async def acquire(self, timeout: float) -> bool:
        """Take a slot, waiting at most so many seconds; False means that none came free."""
        if self._out < self.limit and not self._waiting:
            self._out += 1
            return True
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait_for(turn, timeout)
        except TimeoutError:
            return False
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)
        return True

    def release(self) -> None:
        """Give a slot back to whoever waited longest."""
        self._out -= 1
        while self._waiting and self._out < self.limit:
            turn = self._waiting.pop(0)
            if not turn.done():
                self._out += 1
                turn.set_result(None)

    @asynccontextmanager
    async def timed(self) -> AsyncIterator[None]:
        """Measure a call, so that the bound follows."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._latency += _SMOOTHING * (time.monotonic() - started - self._latency)
