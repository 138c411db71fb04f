"""A Redis that is silent on connections that stay open: who notices, and how soon."""

import asyncio
import base64
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeout

from dispatcher.domain.tier import Tier
from dispatcher.lanes.celery_app import make_celery
from dispatcher.lanes.connect import open_async_redis, open_redis
from dispatcher.lanes.publisher import Publisher
from dispatcher.lanes.wake import CHANNEL, WakeListener
from dispatcher.local.embedded.ports import free_port
from faults.catalogue.proxy import fault_proxy
from tests.silent_proxy import SilentProxy, silent_proxy

HEALS = 5.0
"""Seconds within which a half-open Redis must be noticed and left."""


@asynccontextmanager
async def _proxy(redis_url: str) -> AsyncIterator[tuple[SilentProxy, str]]:
    """Yield a proxy to Redis, and the URL that leads through it."""
    url = urlsplit(redis_url)
    async with silent_proxy(partial(asyncio.open_connection, url.hostname, url.port)) as (proxy, port):
        yield proxy, url._replace(netloc=f":{url.password or ''}@127.0.0.1:{port}").geturl()


async def _until(condition: Callable[[], bool], *, seconds: float = HEALS) -> None:
    """Wait until a condition holds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.01)


def _published(redis: Redis, tier: Tier) -> list[int]:
    bodies = (json.loads(raw)["body"] for raw in reversed(redis.lrange(tier.value, 0, -1)))
    return [i for body in bodies for i in json.loads(base64.b64decode(body))[0][0]]


@asynccontextmanager
async def _publisher(url: str, unpublished: list[int]) -> AsyncIterator[Publisher]:
    publisher = Publisher(make_celery(url), open_redis(url), on_unpublished=unpublished.extend)
    publisher.start()
    yield publisher
    await asyncio.to_thread(publisher.stop)


def test_ids_reach_their_lane_on_a_new_connection_when_the_old_one_is_silent(
    redis_url: str, valkey: Redis
) -> None:
    async def story() -> None:
        unpublished: list[int] = []
        async with _proxy(redis_url) as (proxy, url), _publisher(url, unpublished) as publisher:
            publisher.publish(Tier.STANDARD, [1])
            await _until(lambda: _published(valkey, Tier.STANDARD) == [1])
            proxy.silence()
            publisher.publish(Tier.STANDARD, [2])
            await _until(lambda: _published(valkey, Tier.STANDARD) == [1, 2])
            assert (publisher.published, unpublished) == (2, [])

    asyncio.run(story())


def test_what_does_not_reach_a_silent_redis_is_reported_and_nothing_waits_behind_it(
    redis_url: str, valkey: Redis
) -> None:
    async def story() -> None:
        unpublished: list[int] = []
        async with _proxy(redis_url) as (proxy, url), _publisher(url, unpublished) as publisher:
            proxy.silence(for_new=True)
            publisher.publish(Tier.BULK, [1])
            await _until(lambda: not publisher.reachable, seconds=2 * HEALS)
            for number in range(2, 12):  # each tier in turn: more time-outs than there is time
                publisher.publish(list(Tier)[number % 3], [number])
                await asyncio.sleep(0.1)
            await _until(lambda: sorted(unpublished) == list(range(1, 12)))
            proxy.hear()
            await _until(lambda: publisher.reachable)
            publisher.publish(Tier.CRITICAL, [12])
            await _until(lambda: 12 in _published(valkey, Tier.CRITICAL))

    asyncio.run(story())


def test_a_redis_that_takes_writes_again_wakes_the_clock(redis_url: str, valkey: Redis) -> None:
    """It fills the lanes with what became ready meanwhile."""

    async def story() -> None:
        redis = open_async_redis(redis_url)
        listener = WakeListener(redis)
        assert await listener.next(0.1) is None
        unpublished: list[int] = []
        valkey.config_set("maxmemory", 1)
        try:
            async with _publisher(redis_url, unpublished) as publisher:
                publisher.publish(Tier.BULK, [1])
                await _until(lambda: unpublished == [1])
                assert not publisher.reachable
                valkey.config_set("maxmemory", 0)
                assert await listener.next(HEALS) is not None
                assert publisher.reachable
        finally:
            valkey.config_set("maxmemory", 0)
            await listener.close()
            await redis.aclose()

    asyncio.run(story())


def test_a_connection_that_is_lost_takes_the_idle_ones_of_its_pool_with_it(redis_url: str) -> None:
    """They lead to the same silent peer: each would cost somebody the time-out, one after the other."""

    async def story() -> None:
        async with _proxy(redis_url) as (proxy, url):
            redis = open_async_redis(url)
            asks: list[Callable[[], Awaitable[object]]] = [partial(redis.get, "key")] * 10
            await asyncio.gather(*(ask() for ask in asks))
            assert proxy.connections > 1
            proxy.silence()
            with pytest.raises(RedisTimeout):
                await asks[0]()
            began = time.monotonic()
            await asyncio.gather(*(ask() for ask in asks))
            assert time.monotonic() - began < 1  # none of them has met the time-out
            await redis.aclose()

    asyncio.run(story())


def test_a_silent_wake_channel_is_left_and_joined_again(redis_url: str, valkey: Redis) -> None:
    async def story() -> None:
        async with _proxy(redis_url) as (proxy, url):
            redis = open_async_redis(url)
            listener = WakeListener(redis)
            early = datetime.now(UTC)
            await _hear(listener, valkey, early)
            proxy.silence()
            async with asyncio.timeout(HEALS):
                await _hear(listener, valkey, early)
            await listener.close()
            await redis.aclose()

    asyncio.run(story())


async def _hear(listener: WakeListener, valkey: Redis, at: datetime) -> None:
    """Announce a time until the listener hears it."""
    while await listener.next(0.1) != at:
        valkey.publish(CHANNEL, at.isoformat())


def test_a_quiet_wake_channel_stays(redis_url: str, valkey: Redis) -> None:
    async def story() -> None:
        async with _proxy(redis_url) as (proxy, url):
            redis = open_async_redis(url)
            listener = WakeListener(redis)
            assert await listener.next(5) is None  # longer than it takes to ask for a word and miss it
            assert proxy.connections == 1
            await listener.close()
            await redis.aclose()

    asyncio.run(story())


def test_pauses_between_tries_to_reach_redis_do_not_grow() -> None:
    pauses: list[float] = []
    connection = make_celery("redis://127.0.0.1:1/0").connection_for_read()
    with pytest.raises(OperationalError):
        connection.ensure_connection(lambda _error, pause: pauses.append(pause), max_retries=3)
    assert pauses == [0, 1, 1]


_WORKER = """
import sys
from celery.bin.base import CLIContext
from celery.bin.worker import worker
from redis import Redis
from dispatcher.lanes.celery_app import DELIVER, make_celery

through, straight = sys.argv[1:]
app, done = make_celery(through), Redis.from_url(straight)
def deliver(ids):
    done.rpush("done", *ids)
for name in DELIVER.values():
    app.task(deliver, name=name, shared=False)
options = "-Q critical -P threads -c 4 --without-gossip --without-mingle -l critical".split()
worker.main(options, prog_name="worker", obj=CLIContext(app=app, no_color=True, workdir=None, quiet=True))
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_worker_consumes_soon_after_its_connections_went_silent_or_were_reset(
    redis_url: str, valkey: Redis
) -> None:
    async def story() -> None:
        url = urlsplit(redis_url)
        port, server = free_port(), partial(asyncio.open_connection, url.hostname, url.port)
        async with fault_proxy(server, port) as proxy, _publisher(redis_url, []) as publisher:
            through = url._replace(netloc=f":{url.password or ''}@127.0.0.1:{port}").geturl()
            worker = await asyncio.create_subprocess_exec(sys.executable, "-c", _WORKER, through, redis_url)
            try:
                await _consumes(publisher, valkey, seconds=60)
                for strike in (proxy.silence, proxy.cut, proxy.cut, proxy.cut):
                    strike()
                    await _consumes(publisher, valkey, seconds=HEALS)
                assert worker.returncode is None
            finally:
                worker.kill()
                await worker.wait()

    asyncio.run(story())


def test_a_connection_with_unfinished_tasks_is_left_when_redis_goes_away(redis_url: str) -> None:
    """Celery lets go of it and closes it: an error there ends the worker."""

    async def story() -> None:
        async with _proxy(redis_url) as (_, url), _publisher(redis_url, []) as publisher:
            publisher.publish(Tier.CRITICAL, [1])
            celery = make_celery(url)
            connection = celery.connection_for_read()
            queues = [celery.amqp.queues[name] for name in ("critical", "standard")]
            await asyncio.to_thread(_receive_and_wait_for_more, connection, *queues)
        connection.collect(socket_timeout=1)
        connection.close()

    asyncio.run(story())


def _receive_and_wait_for_more(connection: Any, queue: Any, other: Any) -> None:
    """Have an unfinished task, and wait on two channels, as a worker does: for tasks, and for commands."""
    received: list[object] = []
    consumer = connection.Consumer([queue], callbacks=[lambda _, message: received.append(message)])
    consumer.consume()
    connection.Consumer([other], channel=connection.channel()).consume()
    while not received:
        connection.drain_events(timeout=HEALS)
    with suppress(TimeoutError):
        connection.drain_events(timeout=0.05)


async def _consumes(publisher: Publisher, valkey: Redis, *, seconds: float) -> None:
    """Publish an id every 50 ms until one of them is consumed."""
    before, began = valkey.llen("done"), time.monotonic()
    while valkey.llen("done") == before:
        assert time.monotonic() - began < seconds
        publisher.publish(Tier.CRITICAL, [1])
        await asyncio.sleep(0.05)
