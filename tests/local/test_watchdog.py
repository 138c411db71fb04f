"""The watchdog of `dispatcher up`: what counts as hanging, and for how long."""

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from dispatcher.lanes.celery_app import QUEUES
from dispatcher.lanes.connect import open_async_redis
from dispatcher.lanes.heartbeats import Heartbeats, LaneReading
from dispatcher.lanes.process_report import ProcessReport
from dispatcher.local import watchdog
from dispatcher.local.embedded.ports import free_port
from dispatcher.local.watchdog import Suspect, Suspicion, Watchdog, suspects

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(minutes=5)
WORKER = ProcessReport(
    "worker bulk", socket.gethostname(), 7, frozenset({"bulk"}), LONG_AGO, NOW, timedelta(), consumed=NOW
)
PIDS = {"worker-bulk": 7}


def _found(
    *reports: ProcessReport,
    pids: Mapping[str, int] = PIDS,
    bulk: datetime = NOW,
    critical: datetime = NOW,
) -> Sequence[str]:
    reading = LaneReading({"bulk": bulk, "critical": critical}, reports)
    return [f"{suspect.name}: {suspect.words}" for suspect in suspects(reading, pids, now=NOW)]


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (WORKER, []),
        (replace(WORKER, at=LONG_AGO), ["it has reported nothing for 5 min"]),
        (replace(WORKER, consumed=LONG_AGO), ["it has consumed nothing for 5 min"]),
        (replace(WORKER, consumed=None), ["it has consumed nothing for 5 min"]),
        (replace(WORKER, consumed=None, started=NOW), ["it has not started to work"]),
        # Another machine's worker with the same pid.
        (replace(WORKER, host="elsewhere"), ["it has not started to work"]),
    ],
)
def test_a_worker_that_reports_or_consumes_nothing_is_suspect(
    report: ProcessReport, words: Sequence[str]
) -> None:
    assert _found(report) == [f"worker-bulk: {text}" for text in words]


def test_a_worker_that_takes_nothing_from_its_lane_is_suspect_only_while_lanes_are_probed() -> None:
    assert _found(WORKER, bulk=LONG_AGO) == ["worker-bulk: it takes nothing from the queue bulk"]
    assert _found(WORKER, bulk=LONG_AGO, critical=LONG_AGO) == []


def test_beat_is_suspect_when_workers_work_and_no_lane_is_probed() -> None:
    pids = {**PIDS, "beat": 8}
    assert _found(WORKER, pids=pids, bulk=LONG_AGO, critical=LONG_AGO) == ["beat: it probes no queue"]
    assert _found(WORKER, pids=pids) == []
    stuck = replace(WORKER, consumed=LONG_AGO)
    assert _found(stuck, pids=pids, bulk=LONG_AGO, critical=LONG_AGO) == [
        "worker-bulk: it has consumed nothing for 5 min"
    ]


def test_an_api_that_reports_nothing_is_suspect() -> None:
    api = replace(WORKER, name="api", queues=frozenset(), consumed=None)
    assert _found(api, pids={"api": 7}) == []
    assert _found(replace(api, at=LONG_AGO), pids={"api": 7}) == ["api: it has reported nothing for 5 min"]


def _suspect(*, sign: object = "same", pid: int = 7) -> Suspect:
    return Suspect("worker-bulk", pid, sign, 3, "it hangs")


def test_a_process_that_has_worked_hangs_after_as_many_looks_in_a_row_as_its_fault_needs() -> None:
    suspicion = Suspicion()
    assert suspicion.look([7], []) == []
    assert [len(suspicion.look([7], [_suspect()])) for _ in range(3)] == [0, 0, 1]


def test_a_sign_of_life_or_a_look_that_shows_nothing_begins_the_count_anew() -> None:
    suspicion = Suspicion()
    suspicion.look([7], [])
    for sign in range(10):
        assert suspicion.look([7], [_suspect(sign=sign)]) == []
    for _ in range(10):
        assert suspicion.look([7], [_suspect()]) == []
        assert suspicion.look([], []) == []  # Redis is away


def test_a_process_that_is_slow_to_start_has_minutes() -> None:
    suspicion = Suspicion()
    looks = watchdog._STARTING
    assert looks * watchdog._INTERVAL >= timedelta(minutes=5)
    assert [len(suspicion.look([7], [_suspect()])) for _ in range(looks)] == [0] * (looks - 1) + [1]


def test_a_restarted_process_has_minutes_again() -> None:
    suspicion = Suspicion()
    suspicion.look([7], [])
    for _ in range(10):
        assert suspicion.look([8], [_suspect(pid=8)]) == []


def test_what_answers_no_request_and_what_reports_nothing_is_killed_by_name_pid_and_fault(
    redis_url: str,
) -> None:
    """The whole watchdog on a real Redis, in which a worker's report is old."""
    killed: dict[str, tuple[int, str]] = {}
    both = Event()

    def kill(name: str, pid: int, how: str) -> None:
        killed[name] = (pid, how)
        if len(killed) == 2:
            both.set()

    async def report() -> None:
        redis = open_async_redis(redis_url)
        old = datetime.now(UTC) - timedelta(minutes=5)
        await Heartbeats(redis).report(replace(WORKER, pid=os.getpid(), at=old, started=old, consumed=old))
        assert await Heartbeats(redis).read(QUEUES, now=datetime.now(UTC)) is not None
        await redis.aclose()

    asyncio.run(report())
    dog = Watchdog(
        redis_url,
        urls={"flower": f"http://127.0.0.1:{free_port()}"},
        pids=lambda: {"worker-bulk": os.getpid(), "flower": 8},
        kill=kill,
        interval=timedelta(milliseconds=1),
    )
    with dog.watching():
        assert both.wait(30)
    assert killed["flower"] == (8, "it answers no request")
    pid, how = killed["worker-bulk"]
    assert pid == os.getpid()
    assert how.startswith("it has reported nothing for 5 min")
