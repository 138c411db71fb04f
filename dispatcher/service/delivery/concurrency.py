"""
How many calls to one provider may be out at once, in this process.

As many as its rate needs at its present latency, counting the time that slots
wait for a claim, and a margin: more would not go faster, and would leave more
messages in doubt when this process is killed. When the process itself cannot
keep up, its calls only look slow because they wait for the loop; then the
limit falls instead of rising.
"""

import asyncio
import math
import time
from collections import deque

from dispatcher.domain.delivery.provider import ProviderConfig

_MARGIN = 1.25
_LEAST = 2
_SMOOTHING = 0.05
_FIRST_LATENCY = 0.05
_STUCK, _STUCK_LATENCIES = 1.0, 4

_INTERVAL = 0.02
_LATE = 0.003
_RISE, _FALL, _LEAST_SHARE = 1.03, 0.95, 0.1


class LoopLag:
    """
    How far this process's loop is behind: `share` is the part of its calls that it can serve, 1 at best.

    Any such rule swings around the point it looks for; this one falls by a
    twentieth each time the loop wakes late and rises by less when it does not.
    A few milliseconds count as late: calls that wait for the loop make nothing
    faster, and are in doubt when this process dies.
    """

    def __init__(self) -> None:
        self.share = 1.0

    def note(self, late: float) -> None:
        """Count one waking of the loop, so many seconds late."""
        self.share = max(_LEAST_SHARE, self.share * _FALL) if late > _LATE else min(1.0, self.share * _RISE)

    async def watch(self) -> None:
        """Measure fifty times a second, until cancelled."""
        while True:
            asleep = time.monotonic()
            await asyncio.sleep(_INTERVAL)
            self.note(time.monotonic() - asleep - _INTERVAL)


class ConcurrencyLimit:
    """
    Limits the calls to one provider, each with up to `batch` messages, by a number of slots.

    The limit follows rate × latency. A free slot goes to those who wait in
    `acquire`, in their order, before `wait_until_free` returns.
    """

    def __init__(self, config: ProviderConfig, lag: LoopLag, *, batch: int = 1) -> None:
        self._rate = config.tps / batch
        self._lag = lag
        self._most = config.max_connections
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_free: asyncio.Future[None] | None = None
        self._moved_at = time.monotonic()
        self._claim_time = 0.0
        self.latency = _FIRST_LATENCY
        self.in_use = 0

    @property
    def slots(self) -> int:
        """How many calls may be out now, including those whose messages are being claimed."""
        wanted = min(self._most, self._rate * (self.latency + self._claim_time) * _MARGIN)
        return max(_LEAST, math.ceil(wanted * self._lag.share))

    @property
    def free(self) -> int:
        """How many more calls may go out now."""
        return max(0, self.slots - self.in_use)

    @property
    def is_stuck(self) -> bool:
        """Whether no slot is free and no call has ended for long: the provider hangs."""
        if self.free:
            return False
        return time.monotonic() - self._moved_at > max(_STUCK, _STUCK_LATENCIES * self.latency)

    def take(self, count: int) -> None:
        """Take so many slots, at most as many as are free."""
        self.in_use += count
        self._moved_at = time.monotonic()

    async def acquire(self, *, within: float) -> bool:
        """Take one slot; return False if none comes free in so many seconds."""
        if self.free and not self._waiting:
            self.take(1)
            return True
        if self.is_stuck:
            return False
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait([turn], timeout=within)
        except asyncio.CancelledError:
            if turn.done():  # the slot came in the same turn of the loop
                self.release()
            raise
        finally:
            if not turn.done():
                self._waiting.remove(turn)
        return turn.done()

    async def wait_until_free(self, seconds: float) -> None:
        """Wait until a slot is free, so many seconds at most. Takes none."""
        if self.free:
            return
        if self._is_free is None or self._is_free.done():
            self._is_free = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._is_free], timeout=seconds)

    def release(self, count: int = 1) -> None:
        """Give slots back."""
        self.in_use -= count
        self._moved_at = time.monotonic()
        while self._waiting and self.free:
            self.take(1)
            self._waiting.popleft().set_result(None)
        if self._is_free is not None and not self._is_free.done() and self.free:
            self._is_free.set_result(None)

    def note_call(self, seconds: float) -> None:
        """Count how long a call took, so that the limit follows."""
        self.latency += _SMOOTHING * (seconds - self.latency)

    def note_claim(self, seconds: float) -> None:
        """Count how long slots waited until their messages were claimed, so that the limit follows."""
        self._claim_time += _SMOOTHING * (seconds - self._claim_time)
