"""Redis clients other than Celery's, with time-outs that end a half-open connection."""

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.sentinel import Sentinel

from dispatcher.lanes.redis_url import SentinelUrl, read_sentinel_url

_OPTIONS: dict[str, Any] = {
    "socket_timeout": 1,
    "socket_connect_timeout": 1,
    "socket_keepalive": True,
    "health_check_interval": 10,
}


def open_redis(url: str) -> redis.Redis:
    """Return a blocking client; it does not connect yet."""
    if (sentinels := read_sentinel_url(url)) is None:
        return redis.Redis.from_url(url, **_OPTIONS)
    master: redis.Redis = _Sentinel(**_arguments(sentinels)).master_for(sentinels.master_name)
    return master


def open_async_redis(url: str) -> redis.asyncio.Redis:
    """Return a client for the loop that first uses it; it does not connect yet."""
    if (sentinels := read_sentinel_url(url)) is None:
        return redis.asyncio.Redis.from_pool(_Pool.from_url(url, **_OPTIONS))
    master: redis.asyncio.Redis = _AsyncSentinel(**_arguments(sentinels)).master_for(
        sentinels.master_name, connection_pool_class=_SentinelPool
    )
    return master


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


class _SentinelPool(_Pool, SentinelConnectionPool):
    """The same for the master that the sentinels name."""


class _Sentinel(Sentinel):
    """Finds the master; its error does not list the options of each client, as redis-py's does."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        try:
            address: tuple[str, int] = super().discover_master(service_name)
        except RedisConnectionError as error:
            raise _not_found(service_name) from error
        return address


class _AsyncSentinel(AsyncSentinel):
    """The same; no connection to a sentinel is kept: it would be idle, and belong to nobody."""

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        try:
            address: tuple[str, int] = await super().discover_master(service_name)
        except RedisConnectionError as error:
            raise _not_found(service_name) from error
        finally:
            for sentinel in self.sentinels:
                await sentinel.connection_pool.disconnect(inuse_connections=False)
        return address


def _not_found(name: str) -> RedisConnectionError:
    return RedisConnectionError(f"no sentinel of REDIS_URL answers that it knows a living master {name!r}")


def _arguments(url: SentinelUrl) -> dict[str, Any]:
    return {
        "sentinels": url.sentinels,
        "sentinel_kwargs": url.sentinel_options(),
        "db": url.database,
        **url.login,
        **_OPTIONS,
    }
