"""The judgement on a queue: consumed, hanging, without a worker, or without probes."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from dispatcher.lanes.connect import open_async_redis
from dispatcher.lanes.heartbeats import (
    SILENT,
    Heartbeats,
    LaneReading,
    Liveness,
    QueueState,
    liveness,
    queue_state,
)
from dispatcher.lanes.process_report import ProcessReport

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(minutes=5)
QUEUES = ("critical", "bulk")


def _worker(
    *,
    at: datetime = NOW,
    started: datetime = LONG_AGO,
    consumed: datetime | None = NOW,
    pid: int = 7,
) -> ProcessReport:
    return ProcessReport(
        "worker bulk", "here", pid, frozenset({"bulk"}), started, at, timedelta(), consumed=consumed
    )


def _reading(consumed: Mapping[str, datetime | None], workers: Sequence[ProcessReport] = ()) -> LaneReading:
    return LaneReading({"critical": None, "bulk": None, **consumed}, workers)


@pytest.mark.parametrize(
    ("reading", "state"),
    [
        (_reading({"bulk": NOW - SILENT}), QueueState.CONSUMED),
        (_reading({"bulk": LONG_AGO}), QueueState.ABSENT),
        (_reading({}), QueueState.ABSENT),
        (_reading({"bulk": LONG_AGO}, [_worker(consumed=LONG_AGO)]), QueueState.HANGS),
        (_reading({"bulk": LONG_AGO}, [_worker(consumed=None)]), QueueState.HANGS),
        # It consumes its own queue, and not this one, which is probed: others are.
        (_reading({"bulk": LONG_AGO, "critical": NOW}, [_worker()]), QueueState.HANGS),
        (_reading({"bulk": LONG_AGO}, [_worker()]), QueueState.UNPROBED),
        (_reading({}, [_worker(started=NOW, consumed=None)]), QueueState.STARTING),
        # The whole process stands still: it has reported nothing since.
        (_reading({"bulk": LONG_AGO}, [_worker(at=LONG_AGO, consumed=LONG_AGO)]), QueueState.HANGS),
        (
            _reading({"bulk": LONG_AGO}, [_worker(consumed=LONG_AGO), _worker(started=NOW, consumed=None)]),
            QueueState.HANGS,
        ),
    ],
)
def test_a_worker_that_lives_and_consumes_nothing_hangs(reading: LaneReading, state: QueueState) -> None:
    assert queue_state("bulk", reading, now=NOW) is state


@pytest.mark.parametrize(
    ("worker", "found"),
    [
        (_worker(), Liveness.WORKS),
        (_worker(at=NOW - SILENT, consumed=NOW - SILENT), Liveness.WORKS),
        (_worker(at=LONG_AGO), Liveness.SILENT),
        (_worker(consumed=LONG_AGO), Liveness.STUCK),
        (_worker(consumed=None), Liveness.STUCK),
        (_worker(consumed=None, started=NOW), Liveness.STARTING),
        (replace(_worker(consumed=None), queues=frozenset()), Liveness.WORKS),  # no worker: an API process
    ],
)
def test_each_process_is_judged_by_what_it_reports_of_itself(worker: ProcessReport, found: Liveness) -> None:
    assert liveness(worker, now=NOW) is found


def test_a_report_is_read_as_it_was_written_until_its_process_withdraws_it(redis_url: str) -> None:
    async def story(redis: "Redis") -> None:
        heartbeats, report = Heartbeats(redis), replace(_worker(), ahead=timedelta(seconds=-31.5))
        await heartbeats.report(report)
        reading = await heartbeats.read(QUEUES, now=NOW)
        assert reading is not None
        assert (list(reading.processes), reading.refusal) == ([report], "")
        await heartbeats.withdraw(report)
        reading = await heartbeats.read(QUEUES, now=NOW)
        assert reading is not None
        assert list(reading.processes) == []

    _run(redis_url, story)


def test_a_queue_is_empty_until_a_task_waits_in_it_and_is_unknown_without_redis(redis_url: str) -> None:
    async def story(redis: "Redis") -> None:
        heartbeats = Heartbeats(redis)
        assert await heartbeats.is_empty("probe.here.7")
        await redis.rpush("probe.here.7", "task")
        assert not await heartbeats.is_empty("probe.here.7")
        await heartbeats.forget_later("probe.here.7")
        assert await redis.ttl("probe.here.7") > 0

    async def away(redis: "Redis") -> None:
        assert not await Heartbeats(redis).is_empty("probe.here.7")

    _run(redis_url, story)
    _run("redis://127.0.0.1:1/0", away)


def test_the_report_of_a_killed_process_of_this_machine_does_not_count(redis_url: str) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    async def story(redis: "Redis") -> None:
        heartbeats = Heartbeats(redis)
        here = replace(_worker(at=LONG_AGO), host=socket.gethostname())
        for pid in (ended.pid, os.getpid()):
            await heartbeats.report(replace(here, pid=pid))
        reading = await heartbeats.read(QUEUES, now=NOW)
        assert reading is not None
        assert [report.pid for report in reading.processes] == [os.getpid()]

    _run(redis_url, story)


def test_an_old_report_and_one_of_another_version_are_forgotten(redis_url: str) -> None:
    async def story(redis: "Redis") -> None:
        heartbeats = Heartbeats(redis)
        await heartbeats.report(_worker(at=NOW - timedelta(hours=2)))
        await redis.hset("sms:processes", "odd", "{}")
        assert await heartbeats.read(QUEUES, now=NOW) is not None
        assert await redis.hlen("sms:processes") == 0

    _run(redis_url, story)


def test_without_redis_nothing_is_read() -> None:
    async def story(away: "Redis") -> None:
        assert await Heartbeats(away).read(QUEUES, now=NOW) is None

    _run("redis://127.0.0.1:1/0", story)


def test_a_redis_that_is_full_is_found_by_writing(redis_url: str) -> None:
    async def story(redis: "Redis") -> None:
        await redis.config_set("maxmemory", "1")
        try:
            reading = await Heartbeats(redis).read(QUEUES, now=NOW)
        finally:
            await redis.config_set("maxmemory", "0")
        assert reading is not None
        assert "command not allowed when used memory" in reading.refusal

    _run(redis_url, story)


def _run(url: str, story: Callable[["Redis"], Awaitable[None]]) -> None:
    async def main() -> None:
        redis = open_async_redis(url)
        try:
            await story(redis)
        finally:
            await redis.aclose()

    asyncio.run(main())
