"""Redis clients other than Celery's, with time-outs that end a half-open connection."""

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.sentinel import Sentinel

from dispatcher.lanes.redis_url import SentinelUrl, read_sentinel_url

_OPTIONS: dict[str, Any] = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
}


def open_redis(url: str) -> redis.Redis:
    """Return a blocking client; it does not connect yet."""
    if (sentinels := read_sentinel_url(url)) is None:
        return redis.Redis.from_url(url, **_OPTIONS)
    master: redis.Redis = Sentinel(**_arguments(sentinels)).master_for(sentinels.master_name)
    return master


def open_async_redis(url: str) -> redis.asyncio.Redis:
    """Return a client for the loop that first uses it; it does not connect yet."""
    if (sentinels := read_sentinel_url(url)) is None:
        return redis.asyncio.Redis.from_url(url, **_OPTIONS)
    master: redis.asyncio.Redis = AsyncSentinel(**_arguments(sentinels)).master_for(
        sentinels.master_name, connection_pool_class=_MasterPool
    )
    return master


class _MasterPool(SentinelConnectionPool):
    """Connections to the master. None to a sentinel is kept: it would be idle, and belong to nobody."""

    async def get_master_address(self) -> tuple[str, int]:
        try:
            address: tuple[str, int] = await super().get_master_address()
        finally:
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.connection_pool.disconnect(inuse_connections=False)
        return address


def _arguments(url: SentinelUrl) -> dict[str, Any]:
    return {
        "sentinels": url.sentinels,
        "sentinel_kwargs": url.sentinel_options(),
        "db": url.database,
        **url.login,
        **_OPTIONS,
    }
