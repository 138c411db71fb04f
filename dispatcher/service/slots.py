"""
How many calls to one provider may be out at once, in this process.

As many as its rate needs at its present latency and while slots wait for a
claim, and a margin: more would not go faster, and would leave more in doubt
when this process is killed.
When this process itself cannot follow, its calls only look slow because they
wait here for their turn; then fewer are let out, not more.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from dispatcher.domain.provider import ProviderConfig

_MARGIN = 1.25
_LEAST = 2
_SMOOTHING = 0.05
_FIRST_LATENCY = 0.05
_STUCK, _STUCK_LATENCIES = 1.0, 4

_LOOK = 0.02
_LATE = 0.003
_EASE, _YIELD, _LEAST_SHARE = 1.03, 0.95, 0.1


class Strain:
    """
    How far behind this process's loop is: `share` of the slots that it can serve, 1 at ease.

    Any such rule swings around the point it looks for; this one falls by a
    twentieth each time the loop wakes late and rises by less when it does not.
    A few milliseconds count as late: calls that are out and wait here for
    their turn make nothing faster, and are in doubt when this process dies.
    """

    def __init__(self) -> None:
        self.share = 1.0

    def note(self, late: float) -> None:
        """Take note that the loop woke so many seconds late."""
        self.share = max(_LEAST_SHARE, self.share * _YIELD) if late > _LATE else min(1.0, self.share * _EASE)

    async def watch(self) -> None:
        """Look fifty times a second, until cancelled."""
        while True:
            asleep = time.monotonic()
            await asyncio.sleep(_LOOK)
            self.note(time.monotonic() - asleep - _LOOK)


class Slots:
    """
    Bounds the calls that are out, each with `a_call` messages at most; the bound follows rate × latency.

    Who waits for a slot gets one before whoever looks for free ones; that one
    is told by `on_free`.
    """

    def __init__(self, config: ProviderConfig, strain: Strain, *, a_call: int = 1) -> None:
        self._rate = config.tps / a_call
        self._strain = strain
        self._most = config.max_connections
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._moved = time.monotonic()
        self.on_free: Callable[[], None] = lambda: None
        self.latency = _FIRST_LATENCY
        self._claim = 0.0
        self.out = 0

    @property
    def limit(self) -> int:
        """How many calls may be out now, those counted in that are about to be."""
        wanted = min(self._most, self._rate * (self.latency + self._claim) * _MARGIN)
        return max(_LEAST, math.ceil(wanted * self._strain.share))

    @property
    def free(self) -> int:
        """How many more calls may go out now."""
        return max(0, self.limit - self.out)

    @property
    def is_stuck(self) -> bool:
        """Whether all slots are out, and for long none of their calls has ended: the provider hangs."""
        if self.free:
            return False
        return time.monotonic() - self._moved > max(_STUCK, _STUCK_LATENCIES * self.latency)

    def take(self, calls: int) -> None:
        """Take so many slots, at most as many as are free."""
        self.out += calls
        self._moved = time.monotonic()

    async def wait(self, seconds: float) -> bool:
        """Take a slot, and wait for it so long at most; tell whether there was one."""
        if self.free and not self._waiting:
            self.take(1)
            return True
        if self.is_stuck:
            return False
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        done, _ = await asyncio.wait([waiting], timeout=seconds)
        if not done:
            self._waiting.remove(waiting)
        return bool(done)

    def release(self) -> None:
        """Give one back."""
        self.out -= 1
        self._moved = time.monotonic()
        if self._waiting and self.free:
            self.take(1)
            self._waiting.popleft().set_result(None)
        self.on_free()

    def note(self, seconds: float) -> None:
        """Take note how long a call took, so that the bound follows."""
        self.latency += _SMOOTHING * (seconds - self.latency)

    def note_claim(self, seconds: float) -> None:
        """Take note how long slots waited until their messages were claimed, so that the bound follows."""
        self._claim += _SMOOTHING * (seconds - self._claim)
