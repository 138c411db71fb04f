"""Publishing: ids reach their lane soon, and an unavailable Redis does not delay the caller."""

import asyncio
import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from dispatcher.domain.tier import Tier
from dispatcher.lanes.celery_app import make_celery
from dispatcher.lanes.connect import open_async_redis, open_redis
from dispatcher.lanes.publisher import Publisher
from dispatcher.lanes.wake import WakeListener


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """Return a plain client."""
    client = open_redis(redis_url)
    yield client
    client.close()


def _publisher(url: str, **options: Any) -> Publisher:
    return Publisher(make_celery(url), open_redis(url), **options)


def _entries(redis: Redis, queue: str) -> list[dict[str, object]]:
    entries = [json.loads(raw) for raw in redis.lrange(queue, 0, -1)]
    return list(reversed(entries))


def _ids(entry: dict[str, object]) -> list[int]:
    [args, _, _] = json.loads(base64.b64decode(str(entry["body"])))
    return list(args[0])


def test_ids_are_published_in_tasks_of_the_size_of_their_tier(redis_url: str, redis: Redis) -> None:
    publisher = _publisher(redis_url)
    for start in range(0, 1100, 50):
        publisher.publish(Tier.BULK, range(start, start + 50))
    publisher.publish(Tier.CRITICAL, [1000])
    publisher.start()
    publisher.stop()
    assert [len(_ids(e)) for e in _entries(redis, "bulk")] == [500, 500, 100]
    assert [_ids(e) for e in _entries(redis, "critical")] == [[1000]]
    assert (publisher.published, publisher.dropped) == (1101, 0)


def test_ids_right_after_a_task_wait_to_share_the_next_one_but_critical_does_not(
    redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "dispatcher.lanes.publisher._LANE_PAUSE", {**dict.fromkeys(Tier, 0.5), Tier.CRITICAL: 0.0}
    )
    publisher = _publisher(redis_url)
    publisher.start()
    publisher.publish(Tier.STANDARD, [0])
    _until(lambda: len(_entries(redis, "standard")) == 1)
    for number in range(1, 10):
        publisher.publish(Tier.STANDARD, [number])
        publisher.publish(Tier.CRITICAL, [100 + number])
        time.sleep(0.01)
    _until(lambda: len(_entries(redis, "critical")) >= 5)
    assert len(_entries(redis, "standard")) == 1
    _until(lambda: len(_entries(redis, "standard")) == 2)
    publisher.stop()
    assert [_ids(e) for e in _entries(redis, "standard")] == [[0], list(range(1, 10))]


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_only_ids_enter_redis(redis_url: str, redis: Redis) -> None:
    publisher = _publisher(redis_url)
    publisher.start()
    publisher.publish(Tier.STANDARD, [7])
    publisher.stop()
    [entry] = _entries(redis, "standard")
    assert json.loads(base64.b64decode(str(entry["body"])))[:2] == [[[7]], {}]


def test_a_task_has_the_time_of_postgres_and_does_not_expire_by_a_wall_clock(
    redis_url: str, redis: Redis
) -> None:
    postgres_time = datetime.now(UTC) + timedelta(hours=1)
    publisher = _publisher(redis_url, now=lambda: postgres_time)
    publisher.start()
    publisher.publish(Tier.CRITICAL, [7])
    publisher.stop()
    [entry] = _entries(redis, "critical")
    headers = entry["headers"]
    assert isinstance(headers, dict)
    assert headers["expires"] is None
    assert headers["posted_at"] == postgres_time.timestamp()


def test_with_a_full_queue_ids_are_dropped_and_counted_without_blocking() -> None:
    publisher = _publisher("redis://127.0.0.1:1/0", capacity=2)
    started = time.monotonic()
    for i in range(1000):
        publisher.publish(Tier.BULK, [i])
    assert time.monotonic() - started < 1
    assert publisher.dropped == 998


def test_without_redis_ids_are_dropped_counted_and_reported() -> None:
    unpublished: list[int] = []
    publisher = _publisher("redis://127.0.0.1:1/0", on_unpublished=unpublished.extend)
    publisher.start()
    publisher.publish(Tier.BULK, [1, 2, 3])
    publisher.wake(datetime.now(UTC))
    publisher.stop()
    assert (publisher.published, publisher.dropped) == (0, 3)
    assert unpublished == [1, 2, 3]
    assert not publisher.reachable


class _Faulty(Redis):
    """Fails once with an unexpected error."""

    error: BaseException | None = None

    def publish(self, channel: Any, message: Any, **more: Any) -> Any:
        error, self.error = self.error, None
        if error is not None:
            raise error
        return super().publish(channel, message, **more)


# The first is caught at once; the second ends the thread.
@pytest.mark.parametrize("error", [KeyError("a bug"), SystemExit("a bug")])
def test_an_unexpected_error_is_reported_and_publishing_goes_on(
    redis_url: str, redis: Redis, error: BaseException
) -> None:
    reported: list[tuple[str, BaseException]] = []
    faulty = _Faulty(connection_pool=redis.connection_pool)
    publisher = Publisher(
        make_celery(redis_url), faulty, on_failure=lambda task, error: reported.append((task, error))
    )
    publisher.start()
    faulty.error = error
    publisher.wake(datetime.now(UTC))
    _until(lambda: bool(reported))
    assert reported == [("publisher", error)]
    if isinstance(error, SystemExit):
        publisher._thread.join()
    publisher.publish(Tier.BULK, [7])
    publisher.stop()
    assert [_ids(entry) for entry in _entries(redis, "bulk")] == [[7]]


_SCRIPT = """
import os, sys
from dispatcher.domain.tier import Tier
from dispatcher.lanes.celery_app import make_celery
from dispatcher.lanes.connect import open_redis
from dispatcher.lanes.publisher import Publisher
from datetime import UTC, datetime

publisher = Publisher(make_celery(sys.argv[1]), open_redis(sys.argv[1]))
publisher.start()
"""
_IMPORTS = """
before = set(sys.modules)
publisher.publish(Tier.BULK, [1])
publisher.wake(datetime.now(UTC))
publisher.stop()
assert publisher.published == 1
print(sorted(set(sys.modules) - before))
"""
_FORKS = """
publisher.publish(Tier.BULK, [1])
while not publisher.published:
    pass
if (pid := os.fork()) == 0:
    publisher.publish(Tier.BULK, [2])
    publisher.stop()
    os._exit(0)
os.waitpid(pid, 0)
publisher.publish(Tier.BULK, [3])
publisher.stop()
"""


def _run_script(code: str, url: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", _SCRIPT + code, url], capture_output=True, text=True, timeout=60, check=True
    ).stdout


def test_the_thread_imports_nothing_so_that_no_fork_catches_it_in_an_import(redis_url: str) -> None:
    assert _run_script(_IMPORTS, redis_url) == "[]\n"


def test_a_forked_child_publishes_and_so_does_its_parent(redis_url: str, redis: Redis) -> None:
    _run_script(_FORKS, redis_url)
    assert [_ids(entry) for entry in _entries(redis, "bulk")] == [[1], [2], [3]]


def test_the_earliest_wake_reaches_the_timer(redis_url: str) -> None:
    async def story() -> None:
        redis = open_async_redis(redis_url)
        bell = WakeListener(redis)
        assert await bell.next(0.05) is None
        publisher = _publisher(redis_url)
        early = datetime.now(UTC)
        publisher.wake(early + timedelta(seconds=1))
        publisher.wake(early)
        publisher.start()
        assert await bell.next(5) == early
        await asyncio.to_thread(publisher.stop)
        await bell.close()
        await redis.aclose()

    asyncio.run(story())


class _Deaf:
    """A channel whose read cannot be cancelled, as sometimes with redis-py."""

    def __init__(self) -> None:
        self.received: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()

    def pubsub(self, **_: object) -> "_Deaf":
        return self

    async def subscribe(self, _channel: str) -> None: ...

    async def aclose(self) -> None: ...

    async def get_message(self, **_: object) -> dict[str, object]:
        while not self.received.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self.received])
        return self.received.result()


def test_a_wait_ends_in_time_and_the_next_one_gets_the_message() -> None:
    async def story() -> None:
        channel = _Deaf()
        bell = WakeListener(cast("AsyncRedis", channel))
        assert [await bell.next(wait) for wait in (0.01, 0.0001, 0.01)] == [None] * 3
        early = datetime.now(UTC)
        channel.received.set_result({"type": "message", "data": early.isoformat().encode()})
        assert await bell.next(5) == early

    asyncio.run(story())


def test_a_time_that_the_timer_finds_by_itself_is_not_announced() -> None:
    publisher = _publisher("redis://127.0.0.1:1/0", capacity=1)
    publisher.wake(datetime.now(UTC) + timedelta(hours=1))
    publisher.publish(Tier.BULK, [1])
    assert publisher.dropped == 0  # the one place in the queue was free


def test_without_redis_the_timer_only_sleeps() -> None:
    async def story() -> None:
        redis = open_async_redis("redis://127.0.0.1:1/0")
        bell = WakeListener(redis)
        assert await bell.next(0.1) is None
        await bell.close()
        await redis.aclose()

    asyncio.run(story())
