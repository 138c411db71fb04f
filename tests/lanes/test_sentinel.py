"""Redis Sentinel: every client of ours finds the master, and the next one when it dies."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from flower.utils.broker import Broker  # type: ignore[import-untyped]
from redis.exceptions import RedisError

from dispatcher.domain.errors import Misconfigured
from dispatcher.domain.tier import Tier
from dispatcher.lanes.celery_app import make_celery
from dispatcher.lanes.connect import open_async_redis, open_redis
from dispatcher.lanes.publisher import Publisher
from dispatcher.lanes.redis_url import read_sentinel_url
from dispatcher.lanes.wake import WakeListener
from tests.sentinels import Sentinels, running_sentinels, wait_until

_HEALED = 10.0


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    with running_sentinels(tmp_path_factory.mktemp("sentinels")) as running:
        yield running


class _Consumer:
    """Takes lane tasks as a worker does: over Celery's connection, which it opens again when it breaks."""

    def __init__(self, url: str) -> None:
        self._celery = make_celery(url)
        self.ids: list[int] = []

    def take(self, connection: Any) -> None:
        """Take tasks for half a second."""
        queues = [queue for queue in self._celery.conf.task_queues if queue.name == Tier.CRITICAL]
        with connection.Consumer(queues, callbacks=[self._note], accept=["json"]), suppress(socket.timeout):
            connection.drain_events(timeout=0.5)

    def take_until(self, wanted: set[int]) -> None:
        """Take tasks until these ids have come."""
        end = time.monotonic() + _HEALED
        while not wanted <= set(self.ids):
            assert time.monotonic() < end, f"came {self.ids}, not {wanted}"
            with self._celery.connection() as connection, suppress(*connection.connection_errors):
                self.take(connection)

    def _note(self, body: Any, message: Any) -> None:
        self.ids += body[0][0]
        message.ack()


def test_all_clients_follow_a_fail_over(
    sentinels: Sentinels, record_property: Callable[[str, object], None]
) -> None:
    url = sentinels.url
    client, consumer = open_redis(url), _Consumer(url)
    publisher = Publisher(make_celery(url), open_redis(url))
    publisher.start()

    async def story() -> None:
        redis = open_async_redis(url)
        listener = WakeListener(open_async_redis(url))
        try:
            await redis.set("key", "before")
            assert await asyncio.to_thread(client.get, "key") == b"before"
            publisher.publish(Tier.CRITICAL, [1])
            await asyncio.to_thread(consumer.take_until, {1})
            await _wake(publisher, listener)
            publisher.publish(Tier.BULK, [2])
            await asyncio.to_thread(wait_until, lambda: publisher.published == 2, what="it is published")
            assert await _shown_by_flower(sentinels.living_url) == 1

            await asyncio.to_thread(sentinels.kill_master)
            began = time.monotonic()
            number = published = 2
            async with asyncio.timeout(_HEALED):
                while True:
                    with suppress(RedisError):
                        await redis.set("key", "after")
                        break
                while publisher.published == published:  # what is not published is left to the clock
                    publisher.publish(Tier.CRITICAL, [number := number + 1])
                    await asyncio.sleep(0.05)
            record_property("healed_after", time.monotonic() - began)
            await asyncio.to_thread(
                wait_until, lambda: client.get("key") == b"after", what="the blocking client"
            )
            publisher.publish(Tier.CRITICAL, [1000])
            await asyncio.to_thread(consumer.take_until, {1000})
            await _wake(publisher, listener)
        finally:
            await listener.close()
            await redis.aclose()

    try:
        asyncio.run(story())
    finally:
        publisher.stop()
        client.close()


async def _wake(publisher: Publisher, listener: WakeListener) -> None:
    """Wake the listener, again until it has subscribed."""
    async with asyncio.timeout(_HEALED):
        woken = None
        while woken is None:
            publisher.wake(datetime.now(UTC))
            woken = await listener.next(0.2)


async def _shown_by_flower(url: str) -> int:
    """Return how many tasks of the bulk lane Flower's page of the broker shows; it asks one sentinel."""
    celery = make_celery(url)
    with celery.connection() as connection:
        uri = connection.as_uri(include_password=True)
    broker = Broker(uri, broker_options=celery.conf.broker_transport_options, broker_use_ssl=None)
    [bulk] = await broker.queues([Tier.BULK.value])
    await broker.redis.connection_pool.sentinel_manager.aclose()
    return int(bulk["messages"])


@pytest.mark.parametrize(
    ("url", "sentinels_", "database"),
    [
        ("sentinel://a?master_name=m", [("a", 26379)], 0),
        ("sentinel://u:p%40@a:1,b:2,[::1]:3/2?master_name=m", [("a", 1), ("b", 2), ("::1", 3)], 2),
        ("sentinel://u:p%40@a:1/2;sentinel://u:p%40@b/2?master_name=m", [("a", 1), ("b", 26379)], 2),
    ],
)
def test_sentinels_are_read_in_each_spelling(
    url: str, sentinels_: list[tuple[str, int]], database: int
) -> None:
    found = read_sentinel_url(url)
    assert found is not None
    assert (found.sentinels, found.master_name, found.database) == (sentinels_, "m", database)
    assert found.login in ({}, {"username": "u", "password": "p@"})
    broker = found.broker_url().split(";")
    assert [one.rpartition("@")[0] for one in broker] == ["sentinel://u:p%40" if found.login else ""] * len(
        broker
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sentinel://:secret@a:26379/0", "master_name"),
        ("sentinel://:secret@a:26379/0?master_name=m&master=secret", "parameters may be"),
        ("sentinel://:secret@a:26379/x?master_name=m", "database"),
        ("sentinel://:secret@a:secret/0?master_name=m", "host:26379"),
        ("sentinel://:secret@/0?master_name=m", "host:26379"),
        ("sentinel://:secret@[::1/0?master_name=m", "host:26379"),
        ("sentinel://:secret@a;redis://secret@b?master_name=m", "sentinel://"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_and_not_quoted(url: str, words: str) -> None:
    with pytest.raises(Misconfigured, match=words) as caught:
        read_sentinel_url(url)
    assert "secret" not in str(caught.value)


def test_sentinels_that_know_no_such_master_are_named(sentinels: Sentinels) -> None:
    url = sentinels.url.replace("master_name=", "master_name=un")

    async def story() -> None:
        redis = open_async_redis(url)
        with pytest.raises(RedisError, match="knows a living master 'unmymaster'"):
            await redis.ping()
        await redis.aclose()

    with open_redis(url) as client, pytest.raises(RedisError, match="knows a living master 'unmymaster'"):
        client.ping()
    asyncio.run(story())
