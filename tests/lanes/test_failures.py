"""Failures of threads and background tasks: noted in one process, read in any."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from dispatcher.lanes.connect import open_async_redis
from dispatcher.lanes.failures import FailureLog, TaskFailure

NUMBER = "+254712345678"


def _error() -> Exception:
    with pytest.raises(KeyError) as raised:
        raise KeyError(NUMBER)
    return raised.value


def test_failures_of_all_processes_are_counted_by_task_with_the_last_error(redis_url: str) -> None:
    async def story(redis: "Redis") -> None:
        api, worker = FailureLog(redis, process="api"), FailureLog(redis, process="worker bulk")
        for _ in range(2):
            api.note("publisher", ValueError())
        api.note("publisher", _error())
        worker.note("routes", ValueError())
        assert await api.recent() == []
        await api.write()
        await worker.write()
        await worker.write()
        found = await api.recent()
        assert found is not None
        first, second = found
        assert (first.process, first.task, first.count) == ("api", "publisher", 3)
        assert first.error.startswith("KeyError at test_failures.py:")
        assert second == TaskFailure("worker bulk", "routes", 1, "ValueError")
        assert str(second) == "routes of worker bulk has failed once: ValueError"

    _run(redis_url, story)


def test_the_message_of_an_error_is_not_stored_in_redis(redis_url: str) -> None:
    async def story(redis: "Redis") -> None:
        failures = FailureLog(redis, process="api")
        failures.note("publisher", _error())
        await failures.write()
        assert NUMBER not in str(await failures.recent())

    _run(redis_url, story)


def test_a_failure_is_forgotten_after_an_hour(redis_url: str) -> None:
    async def story(redis: "Redis") -> None:
        failures = FailureLog(redis, process="api")
        failures.note("publisher", _error())
        await failures.write()
        assert 0 < await redis.ttl("sms:failure:api/publisher") <= 3600
        await redis.delete("sms:failure:api/publisher")
        assert await failures.recent() == []

    _run(redis_url, story)


def test_without_redis_failures_stay_noted_and_none_can_be_read(redis_url: str) -> None:
    async def story(away: "Redis") -> None:
        failures = FailureLog(away, process="api")
        failures.note("publisher", _error())
        await failures.write()
        assert await failures.recent() is None
        away.connection_pool.connection_kwargs["port"] = _port(redis_url)
        away.connection_pool.reset()  # type: ignore[no-untyped-call]
        await failures.write()
        assert [failure.count for failure in await failures.recent() or ()] == [1]

    _run(redis_url.replace(f":{_port(redis_url)}/", ":1/"), story)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def _run(url: str, story: Callable[["Redis"], Awaitable[None]]) -> None:
    async def main() -> None:
        redis = open_async_redis(url)
        try:
            await story(redis)
        finally:
            await redis.aclose()

    asyncio.run(main())
