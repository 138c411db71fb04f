"""
What queues and processes show of themselves in Redis, and the judgement whether they work.

A probe task goes through each queue like any other task: the worker that runs
it writes a heartbeat. Beside that each process reports itself from its own
loop, and each worker sends probes to itself alone: of two workers of a queue
one could hang unseen.
"""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from dispatcher.lanes.process_report import ProcessReport, read_report, write_report

SILENT = timedelta(seconds=20)
"""Queues are probed every five seconds; a queue that consumed no probe for this long is not consumed."""

_KEEP = timedelta(hours=1)
_WRITTEN = "sms:written"
_PROCESSES = "sms:processes"
_HOST = socket.gethostname()


class Liveness(StrEnum):
    """Whether a process that has not ended works."""

    WORKS = "works"
    STARTING = "starting"  # it has not had the time to consume
    SILENT = "silent"  # its loop reports nothing: it is suspended or blocked
    STUCK = "stuck"  # its loop reports, and it consumes nothing


class QueueState(StrEnum):
    """Whether a queue is consumed, and if not, what is to be done about it."""

    CONSUMED = "consumed"
    STARTING = "starting"  # its workers have not had the time to consume a probe
    HANGS = "hangs"  # its workers have not ended and consume nothing: restart them
    ABSENT = "absent"  # no worker of it lives: start one
    UNPROBED = "unprobed"  # a worker of it works, but no queue gets probes: start beat


@dataclass(frozen=True, slots=True)
class LaneReading:
    """
    What Redis shows of queues and processes at one moment.

    `consumed` is when each queue was last consumed, None if never. `refusal`
    is Redis's own word on a write that it refused, "" if it takes writes.
    """

    consumed: Mapping[str, datetime | None]
    processes: Sequence[ProcessReport]
    refusal: str = ""

    def workers_of(self, queue: str) -> Sequence[ProcessReport]:
        """Return the reports of the workers of a queue that have not ended."""
        return [report for report in self.processes if queue in report.queues]


def queue_state(queue: str, reading: LaneReading, *, now: datetime) -> QueueState:
    """Return the judgement on one queue. `/readyz`, `doctor` and the supervisor of `up` share it."""
    if _is_recent(reading.consumed.get(queue), now):
        return QueueState.CONSUMED
    workers = reading.workers_of(queue)
    if not workers:
        return QueueState.ABSENT
    found = {liveness(worker, now=now) for worker in workers}
    if found <= {Liveness.STARTING}:
        return QueueState.STARTING
    are_probed = any(_is_recent(seen, now) for seen in reading.consumed.values())
    return QueueState.UNPROBED if Liveness.WORKS in found and not are_probed else QueueState.HANGS


def liveness(report: ProcessReport, *, now: datetime) -> Liveness:
    """Return the judgement on one process, by what it reports of itself."""
    if not _is_recent(report.at, now):
        return Liveness.SILENT
    if not report.queues or _is_recent(report.consumed, now):
        return Liveness.WORKS
    return Liveness.STARTING if _is_recent(report.started, now) else Liveness.STUCK


class Heartbeats:
    """Writes heartbeats and reports of processes, and reads those of all processes."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def beat(self, queue: str, *, now: datetime) -> None:
        """Record that the worker of this queue consumes."""
        await self._redis.set(_pulse(queue), now.timestamp(), ex=_KEEP)

    async def last(self, queues: Sequence[str]) -> Mapping[str, datetime | None] | None:
        """Return when each queue was last consumed; None while Redis is unavailable."""
        try:
            values = await self._redis.mget([_pulse(queue) for queue in queues])
        except (RedisError, OSError):
            return None
        return {queue: _time(value) for queue, value in zip(queues, values, strict=True)}

    async def is_empty(self, queue: str) -> bool:
        """Return whether no task waits in this queue; False while Redis is unavailable."""
        try:
            return bool(await self._redis.llen(queue) == 0)
        except (RedisError, OSError):
            return False

    async def forget_later(self, queue: str) -> None:
        """Remove the queue of one process after an hour, if that process has not emptied it by then."""
        try:
            await self._redis.expire(queue, _KEEP)
        except (RedisError, OSError):
            return

    async def report(self, report: ProcessReport) -> None:
        """Write the report of a process; without Redis the next one counts."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hset(_PROCESSES, report.key, write_report(report))
                pipe.expire(_PROCESSES, _KEEP)
                await pipe.execute()
        except (RedisError, OSError):
            return

    async def withdraw(self, report: ProcessReport) -> None:
        """Remove the report of a process that ends; one that is killed leaves it."""
        try:
            await self._redis.hdel(_PROCESSES, report.key)
        except (RedisError, OSError):
            return

    async def read(self, queues: Sequence[str], *, now: datetime) -> LaneReading | None:
        """
        Read all that Redis shows, in one round trip; None without Redis.

        It also writes: nothing else shows whether Redis takes writes.
        """
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.set(_WRITTEN, now.timestamp(), ex=_KEEP)
                pipe.mget([_pulse(queue) for queue in queues])
                pipe.hgetall(_PROCESSES)
                written, last, reports = await pipe.execute(raise_on_error=False)
            _raise_unless_refusal(written)
            _raise_any(last)
            _raise_any(reports)
        except (RedisError, OSError):
            return None
        return LaneReading(
            consumed={queue: _time(value) for queue, value in zip(queues, last, strict=True)},
            processes=await self._living(reports, now),
            refusal=str(written) if isinstance(written, ResponseError) else "",
        )

    async def _living(self, raw: Mapping[bytes, bytes], now: datetime) -> Sequence[ProcessReport]:
        """Return the reports of processes that, as far as is known, have not ended; forget old ones."""
        reports = {key: read_report(value) for key, value in raw.items()}
        if old := [key for key, report in reports.items() if report is None or now - report.at > _KEEP]:
            await self._forget(old)
        living = [report for report in reports.values() if report is not None and now - report.at <= _KEEP]
        return sorted((report for report in living if not _has_died(report, now)), key=lambda one: one.key)

    async def _forget(self, keys: Sequence[bytes]) -> None:
        try:
            await self._redis.hdel(_PROCESSES, *[key.decode() for key in keys])
        except (RedisError, OSError):
            return


def _pulse(queue: str) -> str:
    return f"sms:pulse:{queue}"


def _time(value: bytes | str | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(float(value), UTC)


def _is_recent(at: datetime | None, now: datetime) -> bool:
    return at is not None and now - at <= SILENT


def _has_died(report: ProcessReport, now: datetime) -> bool:
    """Whether a process that no longer reports was killed; of another machine nobody knows."""
    if report.host != _HOST or now - report.at <= SILENT:
        return False
    try:
        os.kill(report.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it belongs to somebody else
        return False
    return False


def _raise_unless_refusal(answer: Any) -> None:
    if not isinstance(answer, ResponseError):
        _raise_any(answer)


def _raise_any(answer: Any) -> None:
    if isinstance(answer, Exception):
        raise answer
