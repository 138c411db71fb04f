"""Redis clients other than Celery's, with time-outs that end a half-open connection."""

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection

_OPTIONS: dict[str, Any] = {
    "socket_timeout": 1,
    "socket_connect_timeout": 1,
    "socket_keepalive": True,
    "health_check_interval": 10,
}


def open_redis(url: str) -> redis.Redis:
    """Return a blocking client; it does not connect yet."""
    return redis.Redis.from_url(url, **_OPTIONS)


def open_async_redis(url: str) -> redis.asyncio.Redis:
    """Return a client for the loop that first uses it; it does not connect yet."""
    return redis.asyncio.Redis.from_pool(_Pool.from_url(url, **_OPTIONS))


class _Pool(redis.asyncio.ConnectionPool):
    """
    A pool in which a connection that failed takes the idle ones with it.

    They lead to the same peer. If it is silent, each would keep somebody
    waiting for the time-out, the last one long after the first.
    """

    async def release(self, connection: AbstractConnection) -> None:
        """Put a connection back, and close the idle ones if it was lost."""
        await super().release(connection)
        if not connection.is_connected:
            for idle in list(self._available_connections):
                # Without waiting: nobody may get a connection that is closing.
                await idle.disconnect(nowait=True)
