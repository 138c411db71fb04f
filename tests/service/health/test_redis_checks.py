"""What `/readyz` and the doctor say of Redis and of queues, with what mends it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import redis as blocking_redis

from dispatcher.domain.accounts.failed_logins import FailedLoginCount
from dispatcher.lanes.heartbeats import LaneReading
from dispatcher.lanes.process_report import ProcessReport
from dispatcher.service.health import redis_checks
from dispatcher.service.health.finding import Level
from dispatcher.service.health.readiness import readiness
from tests.world import World

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(minutes=5)
WORKER = ProcessReport("worker bulk", "here", 7, frozenset({"bulk"}), LONG_AGO, NOW, timedelta(), NOW)
STUCK = replace(WORKER, pid=8, consumed=LONG_AGO)
SUSPENDED = replace(WORKER, pid=9, at=LONG_AGO, consumed=LONG_AGO)
API = ProcessReport("api", "here", 10, frozenset(), LONG_AGO, LONG_AGO, timedelta())


@pytest.fixture
def full_redis(redis_url: str) -> Iterator[None]:
    with blocking_redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", "1")
        yield
        client.config_set("maxmemory", "0")


@pytest.fixture
def replica_redis(redis_url: str) -> Iterator[None]:
    with blocking_redis.Redis.from_url(redis_url) as client:
        client.replicaof("127.0.0.1", "1")
        yield
        client.replicaof("NO", "ONE")


def _writes(world: World) -> str:
    async def story() -> str:
        found = await readiness(world.ctx)
        assert found.is_ready
        return next((line for line in found.degraded if line.startswith("redis writes")), "")

    return world.run_without_account(story)


def test_a_redis_that_takes_writes_is_no_finding(world: World) -> None:
    assert _writes(world) == ""


@pytest.mark.usefixtures("full_redis")
def test_a_full_redis_is_degraded_with_what_mends_it(world: World) -> None:
    line = _writes(world)
    assert line.startswith("redis writes: it refuses them, and messages wait in Postgres: ")
    assert line.endswith(" -> its memory is full: raise `maxmemory` (`CONFIG SET maxmemory 2gb`)")


@pytest.mark.usefixtures("replica_redis")
def test_a_replica_is_degraded_with_what_mends_it(world: World) -> None:
    assert _writes(world).endswith(" -> it is a replica: point REDIS_URL at the primary")


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        (
            "MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk",
            "to its disk",
        ),
        ("NOPERM this user has no permissions to run the 'set' command", "its user may not write"),
        ("this user has no permissions to run the 'set' command", "its user may not write"),
        ("ERR something new", "look at its log"),
    ],
)
def test_another_refusal_has_its_own_advice(refusal: str, advice: str) -> None:
    finding = redis_checks.writes(refusal)
    assert finding.level is Level.FAIL
    assert refusal in finding.text
    assert advice in finding.advice


@pytest.mark.parametrize(
    ("reading", "level", "advice"),
    [
        (LaneReading({"bulk": NOW}, ()), Level.OK, ""),
        (LaneReading({"bulk": LONG_AGO}, ()), Level.FAIL, "start `dispatcher worker bulk`"),
        (LaneReading({"bulk": LONG_AGO}, (STUCK,)), Level.FAIL, "restart it"),
        (LaneReading({"bulk": LONG_AGO}, (WORKER,)), Level.FAIL, "start `dispatcher beat`"),
    ],
)
def test_a_queue_without_a_worker_wants_a_start_and_one_that_hangs_a_restart(
    reading: LaneReading, level: Level, advice: str
) -> None:
    [finding] = redis_checks.queues(reading, now=NOW)
    assert finding.level is level
    assert finding.advice.startswith(advice)
    assert bool(finding.advice) is bool(advice)


@pytest.mark.parametrize(
    ("processes", "texts"),
    [
        ((WORKER,), []),
        (
            (WORKER, STUCK),
            ["it has consumed nothing for 5 min, and has not ended: worker bulk (process 8 on here) hangs"],
        ),
        (
            (WORKER, SUSPENDED),
            ["it has reported nothing for 5 min, and has not ended: worker bulk (process 9 on here) hangs"],
        ),
        (
            (WORKER, API),
            ["it has reported nothing for 5 min, and has not ended: api (process 10 on here) hangs"],
        ),
    ],
)
def test_a_process_that_hangs_is_found_though_others_do_its_work(
    processes: Sequence[ProcessReport], texts: Sequence[str]
) -> None:
    found = redis_checks.processes(LaneReading({"bulk": NOW}, processes), now=NOW)
    assert [(finding.level, finding.text, finding.advice) for finding in found] == [
        (Level.WARN, text, "restart it") for text in texts
    ]


def test_a_queue_that_nobody_consumes_is_one_finding_that_names_its_workers() -> None:
    reading = LaneReading({"bulk": LONG_AGO}, (STUCK, SUSPENDED))
    assert redis_checks.processes(reading, now=NOW) == []
    [finding] = redis_checks.queues(reading, now=NOW)
    assert "process 8" in finding.text
    assert "process 9" in finding.text


@pytest.mark.parametrize(("failed", "level"), [(0, Level.OK), (49, Level.OK), (50, Level.WARN)])
def test_many_failed_logins_of_all_processes_are_a_finding(failed: int, level: Level) -> None:
    one = replace(API, failed_logins=FailedLoginCount(failed, "203.0.113.9", failed))
    other = replace(API, pid=11, failed_logins=FailedLoginCount(50, "203.0.113.9", 40))
    found = redis_checks.logins([one, WORKER, other])
    assert found.level is level
    if level is Level.WARN:
        assert found.text == "100 failed in the last hour, 90 or more from 203.0.113.9"
