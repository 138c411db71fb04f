"""Redis clients other than Celery's, with time-outs that end a half-open connection."""

from typing import Any

import redis
import redis.asyncio

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
    return redis.asyncio.Redis.from_url(url, **_OPTIONS)
