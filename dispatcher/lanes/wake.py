"""Waking the timer: a Redis channel on which writers announce an earlier `wake_at`."""

import asyncio
from datetime import datetime, timedelta

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

log = structlog.get_logger()

LONGEST_SLEEP = timedelta(seconds=1)
"""The longest time that the timer sleeps before it looks again by itself."""

CHANNEL = "sms:wake"
_RETRY = 1.0
_QUIET = 2.0  # seconds without a word, after which the channel is asked for one


class WakeListener:
    """
    Listens on the channel; without Redis it only sleeps, and Celery beat's ticks remain.

    One task waits for the next announced time, however long that takes. A wait
    that times out does not cancel the task: redis-py may swallow a cancellation
    (`asyncio.wait_for` does, before Python 3.12) and then wait for ever.
    """

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._pubsub: PubSub | None = None
        self._next_message: asyncio.Task[datetime] | None = None

    async def next(self, timeout: float) -> datetime | None:
        """Return the next announced time; None if none comes within `timeout` seconds."""
        if self._next_message is None:
            self._next_message = asyncio.create_task(self._receive())
        await asyncio.wait([self._next_message], timeout=timeout)
        if not self._next_message.done():
            return None
        received, self._next_message = self._next_message, None
        try:
            return received.result()
        except (RedisError, OSError) as error:
            log.warning("wake_channel_lost", error=str(error))
            await self.close()
            await asyncio.sleep(min(timeout, _RETRY))
            return None

    async def close(self) -> None:
        """Leave the channel."""
        if self._next_message is not None:
            waiting, self._next_message = self._next_message, None
            # This marks an exception as retrieved, so that asyncio does not log it.
            waiting.add_done_callback(lambda task: task.cancelled() or task.exception())
            waiting.cancel()
            await asyncio.wait([waiting], timeout=_RETRY)
        if self._pubsub is not None:
            pubsub, self._pubsub = self._pubsub, None
            await pubsub.aclose()

    async def _receive(self) -> datetime:
        if self._pubsub is None:
            self._pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
            await self._pubsub.subscribe(CHANNEL)
        is_asked = False
        while True:
            message = await self._pubsub.get_message(timeout=_QUIET)
            if message is not None and message["type"] == "message":
                return datetime.fromisoformat(message["data"].decode())
            if message is None and is_asked:
                raise TimeoutError(f"no answer within {_QUIET:.0f} s")
            is_asked = message is None
            if is_asked:
                await self._pubsub.ping()
