"""Restarts the processes of a running stack that live and do not work."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx

from dispatcher.lanes.celery_app import QUEUES
from dispatcher.lanes.connect import open_async_redis
from dispatcher.lanes.heartbeats import Heartbeats, LaneReading, Liveness, QueueState, liveness, queue_state
from dispatcher.lanes.process_report import ProcessReport
from dispatcher.service.health.redis_checks import hang

_INTERVAL = timedelta(seconds=2)
_LONGEST_LOOK = timedelta(seconds=15)
_HTTP_TIMEOUT = timedelta(seconds=2)
_HOST = socket.gethostname()
_BEAT = "beat"

# How many looks in a row must show the same before a process is killed. Looks, not seconds: a machine that
# is short of time, or was suspended, makes fewer of them. After Redis was away, Celery may need half a minute
# until it consumes again, and a niced process may need minutes to start.
_SILENT = 5
_STUCK = 20
_STARTING = 150


@dataclass(frozen=True, slots=True)
class Suspect:
    """
    A process that, as far as one look shows, does not work.

    `sign` is what the look is based on, and stays the same while the process
    does nothing. `looks` is how many must show it, once the process has worked.
    """

    name: str
    pid: int
    sign: object
    looks: int = field(compare=False)
    words: str = field(compare=False)


class Suspicion:
    """Counts in how many looks in a row each process did not work."""

    def __init__(self) -> None:
        self._looks: dict[Suspect, int] = {}
        self._worked: set[int] = set()

    def look(self, pids: Iterable[int], found: Sequence[Suspect]) -> Sequence[Suspect]:
        """Return those of `found` that hang for certain; `pids` are all processes that were looked at."""
        self._worked |= set(pids) - {suspect.pid for suspect in found}
        self._looks = {suspect: self._looks.get(suspect, 0) + 1 for suspect in found}
        return [suspect for suspect, count in self._looks.items() if count >= self._needed(suspect)]

    def _needed(self, suspect: Suspect) -> int:
        return suspect.looks if suspect.pid in self._worked else _STARTING


class Watchdog:
    """
    Looks at the processes of a stack every two seconds, and kills those that hang; the supervisor restarts
    them.

    `pids` returns the processes that run, `kill` gets the name and pid of one
    that hangs, and how it hangs. `urls` are those of processes that do not
    report themselves in Redis.
    """

    def __init__(
        self,
        redis_url: str,
        *,
        urls: Mapping[str, str],
        pids: Callable[[], Mapping[str, int]],
        kill: Callable[[str, int, str], None],
        interval: timedelta = _INTERVAL,
    ) -> None:
        self._redis_url, self._urls, self._pids, self._kill = redis_url, urls, pids, kill
        self._interval = interval
        self._suspicion = Suspicion()
        self._stopping = threading.Event()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Look until the end of the block, in a thread of its own."""
        thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()  # nobody waits for the thread: it may be in a look at what hangs

    async def _run(self) -> None:
        redis = open_async_redis(self._redis_url)
        async with contextlib.aclosing(redis), httpx.AsyncClient(trust_env=False) as client:
            while not self._stopping.is_set():
                # What fails here shows nothing of the processes; the next look counts.
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(_LONGEST_LOOK.total_seconds()):
                        await self._look(Heartbeats(redis), client)
                await asyncio.sleep(self._interval.total_seconds())

    async def _look(self, heartbeats: Heartbeats, client: httpx.AsyncClient) -> None:
        pids = self._pids()
        # The wall clock may be wrong: but what works gives a new sign before the looks have been counted.
        now = datetime.now(UTC)
        reading = await heartbeats.read(QUEUES, now=now)
        reporting = {name: pid for name, pid in pids.items() if name not in self._urls}
        answering = {name: pid for name, pid in pids.items() if name in self._urls}
        found = [*await self._mute(answering, client)]
        looked_at = [*answering.values()]
        if reading is not None and not reading.refusal:  # else nobody can report
            found += suspects(reading, reporting, now=now)
            looked_at += reporting.values()
        if not self._stopping.is_set():
            for suspect in self._suspicion.look(looked_at, found):
                self._kill(suspect.name, suspect.pid, suspect.words)

    async def _mute(self, pids: Mapping[str, int], client: httpx.AsyncClient) -> Sequence[Suspect]:
        answers = await asyncio.gather(*(_answers(client, self._urls[name]) for name in pids))
        return [
            Suspect(name, pid, "mute", _STUCK, "it answers no request")
            for (name, pid), has_answered in zip(pids.items(), answers, strict=True)
            if not has_answered
        ]


def suspects(reading: LaneReading, pids: Mapping[str, int], *, now: datetime) -> Sequence[Suspect]:
    """Return the processes of this machine that do not work, as far as Redis shows."""
    reports = {report.pid: report for report in reading.processes if report.host == _HOST}
    found = [
        _beat(reading, pid, now=now)
        if name == _BEAT
        else _reporter(name, pid, reports.get(pid), reading, now)
        for name, pid in pids.items()
    ]
    return [suspect for suspect in found if suspect is not None]


def _reporter(
    name: str, pid: int, report: ProcessReport | None, reading: LaneReading, now: datetime
) -> Suspect | None:
    if report is None:
        return Suspect(name, pid, "absent", _STARTING, "it has not started to work")
    words = hang(report, now=now)
    match liveness(report, now=now):
        case Liveness.SILENT:
            return Suspect(name, pid, report.at, _SILENT, words)
        case Liveness.STUCK:
            return Suspect(name, pid, report.consumed, _STUCK, words)
        case Liveness.STARTING:
            return Suspect(name, pid, "starting", _STARTING, "it has not started to work")
        case Liveness.WORKS:
            return _deaf(name, report, reading, now)


def _deaf(name: str, report: ProcessReport, reading: LaneReading, now: datetime) -> Suspect | None:
    """Return a worker that works and takes nothing from its lane, which is probed as others are."""
    for queue in report.queues & reading.consumed.keys():
        if queue_state(queue, reading, now=now) is QueueState.HANGS:
            sign = (queue, reading.consumed[queue])
            return Suspect(name, report.pid, sign, _STUCK, f"it takes nothing from the queue {queue}")
    return None


def _beat(reading: LaneReading, pid: int, *, now: datetime) -> Suspect | None:
    """Return beat if workers work and no queue gets a probe of it."""
    if QueueState.UNPROBED not in {queue_state(queue, reading, now=now) for queue in reading.consumed}:
        return None
    return Suspect(_BEAT, pid, tuple(reading.consumed.values()), _STUCK, "it probes no queue")


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        response = await client.get(url, timeout=_HTTP_TIMEOUT.total_seconds())
    except httpx.HTTPError:
        return False
    return response.status_code in {httpx.codes.OK, httpx.codes.UNAUTHORIZED}
