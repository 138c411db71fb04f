"""When the worker of each queue last consumed: a probe task goes through the queue like any other task."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from redis.asyncio import Redis
from redis.exceptions import RedisError

_KEEP_SECONDS = 3600


class Heartbeats:
    """The probe task writes a heartbeat when a worker runs it; health and `dispatcher lanes` read them."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def beat(self, queue: str, *, now: datetime) -> None:
        """Record that the worker of this queue consumes."""
        await self._redis.set(f"sms:pulse:{queue}", now.timestamp(), ex=_KEEP_SECONDS)

    async def last(self, queues: Sequence[str]) -> Mapping[str, datetime | None] | None:
        """Return when each queue was last consumed; None while Redis is unavailable."""
        try:
            values = await self._redis.mget([f"sms:pulse:{queue}" for queue in queues])
        except (RedisError, OSError):
            return None
        return {
            queue: None if value is None else datetime.fromtimestamp(float(value), UTC)
            for queue, value in zip(queues, values, strict=True)
        }
