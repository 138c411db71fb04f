"""How we connect to Redis beside Celery: time-outs that end a half-open connection."""

from typing import Any

import redis
import redis.asyncio

_OPTIONS: dict[str, Any] = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
}


def open_redis(url: str) -> redis.Redis:
    """Make a client for a thread; nothing is connected yet."""
    return redis.Redis.from_url(url, **_OPTIONS)


def open_async_redis(url: str) -> redis.asyncio.Redis:
    """Make a client for the loop it is first used in; nothing is connected yet."""
    return redis.asyncio.Redis.from_url(url, **_OPTIONS)
