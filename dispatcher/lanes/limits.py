"""
Rate limits of callers in requests a minute, across all API processes: GCRA in Redis.

Known limit of GCRA with a burst of the whole limit: a caller that was idle may
make nearly twice its limit in the first minute. Without Redis each process
counts alone, from a full bucket, so a caller has its whole limit in each.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from importlib.resources import files
from typing import NamedTuple

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from dispatcher.batching import Batcher
from dispatcher.domain.accounts.rate_limit import RateLimitStatus

log = structlog.get_logger()

MAX_BUCKETS = 10_000
_KEPT_BUCKETS = 9_000
_TIMEOUT = timedelta(milliseconds=100)
_RETRY_INTERVAL = timedelta(seconds=1)
_MINUTE_US = 60_000_000
_SCRIPT = files("dispatcher.lanes").joinpath("limits.lua").read_text(encoding="utf-8")


class RateLimitState(NamedTuple):
    """The state of a bucket in microseconds, as limits.lua returns it."""

    owed: int  # until it is full again
    wait: int  # until the request may be made; 0: it was counted


class _TakeRequest(NamedTuple):
    """A request to count, and the value of `Limits._ask_again` when it arrived."""

    bucket: str
    arguments: tuple[int, int, int]
    ask_again: float | None


class Limits:
    """Counts requests in Redis, those of one moment in one call; without Redis it counts in this process."""

    def __init__(self, redis: "Redis", *, clock: Callable[[], float] = time.monotonic) -> None:
        self._script = redis.register_script(_SCRIPT)
        self._clock = clock
        self._buckets = Buckets()
        self._ask_again: float | None = None  # None: Redis is available
        self._batcher: Batcher[_TakeRequest, RateLimitState | None] = Batcher(self._ask)

    async def take(self, bucket: str, *, per_minute: int, cost: int = 1) -> RateLimitStatus:
        """
        Count a request against a bucket and return its rate-limit status.

        A request over the limit takes nothing. Cost 0 takes nothing either,
        and returns what a request of cost 1 would get. A cost above
        per_minute is always over the limit. Raises ValueError for a limit
        below 1 or a cost below 0, and nothing when Redis fails: when Redis
        stops answering, the requests in progress are delayed by a tenth of a
        second, and from then on one request a second is.
        """
        if per_minute < 1 or cost < 0:
            raise ValueError(
                f"the limit must be at least 1 a minute, got {per_minute}; the cost at least 0, got {cost}"
            )
        interval = max(1, _MINUTE_US // per_minute)
        state = None
        if self._may_ask():
            take = _TakeRequest(bucket, (interval, per_minute, cost), self._ask_again)
            state = await self._batcher.run(take)
        if state is None:
            now = int(self._clock() * 1_000_000)
            state = self._buckets.take(bucket, now, interval=interval, limit=per_minute, cost=cost)
        return _status(state, interval=interval, limit=per_minute)

    def _may_ask(self) -> bool:
        """Return whether to ask Redis: while it is unavailable, one request a second does."""
        if self._ask_again is None:
            return True
        now = self._clock()
        if now < self._ask_again:
            return False
        self._ask_again = now + _RETRY_INTERVAL.total_seconds()
        return True

    async def _ask(self, batch: Sequence[_TakeRequest]) -> list[RateLimitState | None]:
        """
        Count requests in Redis; None for each if it fails.

        Requests that arrived before it was known to be unavailable do not ask either.
        """
        before = self._ask_again
        nothing: list[RateLimitState | None] = [None] * len(batch)
        if all(take.ask_again != before for take in batch):
            return nothing
        keys = [f"sms:limit:{take.bucket}" for take in batch]
        arguments = [argument for take in batch for argument in take.arguments]
        try:
            async with asyncio.timeout(_TIMEOUT.total_seconds()):
                answer = await self._script(keys=keys, args=arguments)
        except (RedisError, OSError) as error:
            if self._ask_again == before:
                self._ask_again = self._clock() + _RETRY_INTERVAL.total_seconds()
                log.warning("limits_not_reached", error=str(error) or repr(error))
            return nothing
        if self._ask_again == before:
            self._ask_again = None
        return [RateLimitState(answer[i], answer[i + 1]) for i in range(0, len(answer), 2)]


class Buckets:
    """
    The buckets of one process, counted as limits.lua counts.

    Known limit: when more than MAX_BUCKETS are in use, those nearest to full
    are dropped, which fills them.
    """

    def __init__(self) -> None:
        self._full_at: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, bucket: str, now: int, *, interval: int, limit: int, cost: int) -> RateLimitState:
        """Count a request at `now`, in microseconds of any monotonic clock, and return the bucket's state."""
        burst = interval * limit
        owed = min(max(self._full_at.get(bucket, now) - now, 0), burst)
        wait = max(owed + max(cost, 1) * interval - burst, 0)
        if wait == 0 and cost > 0:
            owed += cost * interval
            self._full_at[bucket] = now + owed
            if len(self._full_at) > MAX_BUCKETS:
                self._make_room(now)
        return RateLimitState(owed, wait)

    def _make_room(self, now: int) -> None:
        """Drop the full buckets, and enough of those nearest to full to make this rare."""
        in_use = sorted((full_at, bucket) for bucket, full_at in self._full_at.items() if full_at > now)
        self._full_at = {bucket: full_at for full_at, bucket in in_use[-_KEPT_BUCKETS:]}


def _status(state: RateLimitState, *, interval: int, limit: int) -> RateLimitStatus:
    return RateLimitStatus(
        limit=limit,
        remaining=(interval * limit - state.owed) // interval,
        reset=timedelta(microseconds=state.owed),
        retry_after=timedelta(microseconds=state.wait) if state.wait else None,
    )
