"""Waking the timer: a Redis channel on which writers announce an earlier `wake_at`."""

import asyncio
from datetime import datetime, timedelta

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

log = structlog.get_logger()

LONGEST_SLEEP = timedelta(seconds=1)
"""The longest the timer sleeps before it looks again by itself."""

CHANNEL = "sms:wake"
_RETRY = 1.0


class WakeListener:
    """
    Listens on the channel; without Redis it only sleeps, and beat's ticks remain.

    One task waits for the next time, however long it takes. A wait that times
    out does not cancel it: what redis-py awaits may swallow a cancellation
    (`asyncio.wait_for` does, before Python 3.12) and then wait for ever.
    """

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._pubsub: PubSub | None = None
        self._coming: asyncio.Task[datetime] | None = None

    async def next(self, timeout: float) -> datetime | None:
        """Return the next announced time; None if none comes within `timeout` seconds."""
        if self._coming is None:
            self._coming = asyncio.create_task(self._receive())
        await asyncio.wait([self._coming], timeout=timeout)
        if not self._coming.done():
            return None
        came, self._coming = self._coming, None
        try:
            return came.result()
        except (RedisError, OSError) as error:
            log.warning("wake_channel_lost", error=str(error))
            await self.close()
            await asyncio.sleep(min(timeout, _RETRY))
            return None

    async def close(self) -> None:
        """Leave the channel."""
        if self._coming is not None:
            coming, self._coming = self._coming, None
            coming.add_done_callback(lambda task: task.cancelled() or task.exception())  # read by nobody
            coming.cancel()
            await asyncio.wait([coming], timeout=_RETRY)
        if self._pubsub is not None:
            pubsub, self._pubsub = self._pubsub, None
            await pubsub.aclose()

    async def _receive(self) -> datetime:
        if self._pubsub is None:
            self._pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
            await self._pubsub.subscribe(CHANNEL)
        while True:
            message = await self._pubsub.get_message(timeout=None)
            if message is not None:
                return datetime.fromisoformat(message["data"].decode())
