"""
The limit of open calls to one provider, in this process.

It is the number that the provider's rate, which counts segments, needs at its
present latency and length of texts, counting the time that slots wait for a
claim, plus a margin. More calls would not be
faster, and would leave more messages in doubt when this process is killed.
When the process itself cannot keep up, its calls look slow only because they
wait for the loop; then the limit falls instead of rising.
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
    How far this process's loop is behind: `share` is the part of its calls that it can serve, at most 1.

    A rule of this kind oscillates around its target: `share` falls by a
    twentieth each time the loop wakes up late, and rises by less when it does
    not. A few milliseconds count as late, because calls that wait for the loop
    make nothing faster and are in doubt if this process dies.
    """

    def __init__(self) -> None:
        self.share = 1.0

    def note(self, late: float) -> None:
        """Adjust `share` after the loop woke up `late` seconds late."""
        self.share = max(_LEAST_SHARE, self.share * _FALL) if late > _LATE else min(1.0, self.share * _RISE)

    async def watch(self) -> None:
        """Measure the delay fifty times a second, until cancelled."""
        while True:
            asleep = time.monotonic()
            await asyncio.sleep(_INTERVAL)
            self.note(time.monotonic() - asleep - _INTERVAL)


class ConcurrencyLimit:
    """
    Limits the open calls to one provider, each with up to `batch` messages, by a number of slots.

    The number follows rate × latency. A free slot goes to the callers that
    wait in `acquire`, in their order, before `wait_until_free` returns.
    """

    def __init__(self, config: ProviderConfig, lag: LoopLag, *, batch: int = 1) -> None:
        self._rate = config.tps / batch
        self._lag = lag
        self._most = config.max_connections
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_free: asyncio.Future[None] | None = None
        self._changed_at = time.monotonic()
        self._claim_time = 0.0
        self._segments = 1.0
        self.latency = _FIRST_LATENCY
        self.in_use = 0

    @property
    def slots(self) -> int:
        """How many calls may be open now, including those whose messages are being claimed."""
        calls = self._rate / self._segments
        wanted = min(self._most, calls * (self.latency + self._claim_time) * _MARGIN)
        return max(_LEAST, math.ceil(wanted * self._lag.share))

    @property
    def free(self) -> int:
        """How many more calls may start now."""
        return max(0, self.slots - self.in_use)

    @property
    def is_stuck(self) -> bool:
        """Whether no slot is free and no call has ended for a long time: the provider does not respond."""
        if self.free:
            return False
        return time.monotonic() - self._changed_at > max(_STUCK, _STUCK_LATENCIES * self.latency)

    def take(self, count: int) -> None:
        """Take `count` slots, which must be free."""
        self.in_use += count
        self._changed_at = time.monotonic()

    async def acquire(self, *, within: float) -> bool:
        """Take one slot; return False if none becomes free in `within` seconds."""
        if self.free and not self._waiting:
            self.take(1)
            return True
        if self.is_stuck:
            return False
        slot = asyncio.get_running_loop().create_future()
        self._waiting.append(slot)
        try:
            await asyncio.wait([slot], timeout=within)
        except asyncio.CancelledError:
            if slot.done():  # it was assigned in the same iteration of the loop
                self.release()
            raise
        finally:
            if not slot.done():
                self._waiting.remove(slot)
        return slot.done()

    async def wait_until_free(self, seconds: float) -> None:
        """Wait until a slot is free, at most `seconds`, without taking one."""
        if self.free:
            return
        if self._is_free is None or self._is_free.done():
            self._is_free = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._is_free], timeout=seconds)

    def release(self, count: int = 1) -> None:
        """Return slots, and assign them to waiting callers."""
        self.in_use -= count
        self._changed_at = time.monotonic()
        while self._waiting and self.free:
            self.take(1)
            self._waiting.popleft().set_result(None)
        if self._is_free is not None and not self._is_free.done() and self.free:
            self._is_free.set_result(None)

    def note_call(self, seconds: float, *, segments: float = 1.0) -> None:
        """Adjust the limit to the duration of a call, and to the segments of each of its messages."""
        self.latency += _SMOOTHING * (seconds - self.latency)
        self._segments += _SMOOTHING * (segments - self._segments)

    def note_claim(self, seconds: float) -> None:
        """Adjust the limit to the time that slots waited until their messages were claimed."""
        self._claim_time += _SMOOTHING * (seconds - self._claim_time)
