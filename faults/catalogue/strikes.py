"""The faults: what each does to the stack, and how it is undone."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis.asyncio

from faults.auditor.collect import connect
from faults.catalogue.small_disk import SmallDisk
from faults.load.receiver import Receiver
from faults.rig import Rig


@dataclass(frozen=True, slots=True)
class Ground:
    """What the faults are struck at."""

    rig: Rig
    receiver: Receiver
    disk: SmallDisk | None


Strike = Callable[[Ground], AbstractAsyncContextManager[None]]
"""Strikes when its block is entered, and undoes it when the block is left."""


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One fault: its name, its strike, and for how many seconds it stays, at least and at most.

    `heals_in_place`: the dispatcher can heal while it is in place, so the time
    to heal counts from its start. `delays_provider`: what is written to a
    provider meanwhile is read after it. `needs` names what must be there.
    """

    name: str
    strike: Strike
    seconds: tuple[float, float] = (0.0, 0.0)
    heals_in_place: bool = False
    delays_provider: bool = False
    needs: Sequence[str] = field(default=())


def _killed(name: str) -> Strike:
    @asynccontextmanager
    async def strike(ground: Ground) -> AsyncIterator[None]:
        with suppress(ProcessLookupError):
            ground.rig.supervisor.kill(name, signal.SIGKILL)
        yield

    return strike


def _stopped(name: str) -> Strike:
    @asynccontextmanager
    async def strike(ground: Ground) -> AsyncIterator[None]:
        pids = _tree(ground.rig.supervisor.pid(name))
        _signal(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(pids, signal.SIGCONT)

    return strike


def _tree(leader: int | None) -> list[int]:
    """Return a process and its children."""
    if leader is None:
        return []
    children = Path(f"/proc/{leader}/task/{leader}/children")
    with suppress(OSError):
        return [leader, *map(int, children.read_text(encoding="ascii").split())]
    return [leader]


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _silent(proxy: str, *, for_new: bool) -> Strike:
    @asynccontextmanager
    async def strike(ground: Ground) -> AsyncIterator[None]:
        ground.rig.proxies[proxy].silence(for_new=for_new)
        try:
            yield
        finally:
            ground.rig.proxies[proxy].hear()

    return strike


def _cut(proxy: str) -> Strike:
    @asynccontextmanager
    async def strike(ground: Ground) -> AsyncIterator[None]:
        ground.rig.proxies[proxy].cut()
        yield

    return strike


@asynccontextmanager
async def _repeated(ground: Ground) -> AsyncIterator[None]:
    proxy = ground.rig.proxies["first"]
    proxy.repeats = True
    try:
        yield
    finally:
        proxy.repeats = False


@asynccontextmanager
async def _wiped(ground: Ground) -> AsyncIterator[None]:
    await _valkey(ground, "FLUSHALL")
    yield


@asynccontextmanager
async def _full(ground: Ground) -> AsyncIterator[None]:
    await _valkey(ground, "CONFIG", "SET", "maxmemory", "1mb")
    try:
        yield
    finally:
        await _valkey(ground, "CONFIG", "SET", "maxmemory", "0")


async def _valkey(ground: Ground, *command: str) -> None:
    client: Any = redis.asyncio.Redis.from_url(ground.rig.redis_url)
    try:
        await client.execute_command(*command)
    finally:
        await client.aclose()


@asynccontextmanager
async def _terminated(ground: Ground) -> AsyncIterator[None]:
    def end_sessions() -> None:
        with connect(ground.rig) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )

    await asyncio.to_thread(end_sessions)
    yield


@asynccontextmanager
async def _restarted_postgres(ground: Ground) -> AsyncIterator[None]:
    ground.rig.supervisor.kill("postgres", signal.SIGQUIT)  # "immediate": it recovers from its log
    yield


@asynccontextmanager
async def _full_disk(ground: Ground) -> AsyncIterator[None]:
    if ground.disk is None:
        raise RuntimeError("there is no small disk to fill")
    await asyncio.to_thread(ground.disk.fill)
    try:
        yield
    finally:
        await asyncio.to_thread(ground.disk.empty)


@asynccontextmanager
async def _skewed(ground: Ground) -> AsyncIterator[None]:
    rig = ground.rig
    if rig.skewed is None:
        raise RuntimeError("there is no libfaketime")
    try:
        await asyncio.to_thread(rig.supervisor.start, rig.skewed)
    except ValueError:  # it ran before
        await asyncio.to_thread(rig.supervisor.start_process, rig.skewed.name)
    try:
        yield
    finally:
        await asyncio.to_thread(rig.supervisor.stop_process, rig.skewed.name)


def _hostile(**settings: float) -> Strike:
    @asynccontextmanager
    async def strike(ground: Ground) -> AsyncIterator[None]:
        client = ground.rig.sandboxes["first"]
        before = (await client.get("/settings")).json()
        (await client.put("/settings", json=settings)).raise_for_status()
        try:
            yield
        finally:
            (await client.put("/settings", json={name: before[name] for name in settings})).raise_for_status()

    return strike


@asynccontextmanager
async def _failing_receiver(ground: Ground) -> AsyncIterator[None]:
    ground.receiver.fails = True
    try:
        yield
    finally:
        ground.receiver.fails = False


_QUEUES = ("critical", "standard", "bulk", "clock", "system")

FAULTS: Sequence[Fault] = (
    *(Fault(f"kill -9 of worker {q}", _killed(f"worker-{q}"), heals_in_place=True) for q in _QUEUES),
    Fault("kill -9 of beat", _killed("beat"), heals_in_place=True),
    Fault("kill -9 of the API", _killed("api"), heals_in_place=True),
    Fault("kill -9 of Valkey", _killed("valkey"), heals_in_place=True),
    Fault("kill -9 of Postgres", _killed("postgres"), heals_in_place=True),
    *(Fault(f"worker {q} stopped", _stopped(f"worker-{q}"), (4, 15)) for q in _QUEUES),
    Fault("API stopped", _stopped("api"), (4, 12)),
    Fault("Postgres stopped", _stopped("postgres"), (4, 15)),
    Fault("Valkey stopped", _stopped("valkey"), (4, 12)),
    Fault("provider stopped", _stopped("provider-first"), (6, 12), heals_in_place=True, delays_provider=True),
    Fault(
        "Postgres silent on its open connections",
        _silent("postgres", for_new=False),
        (30, 40),
        heals_in_place=True,
    ),
    Fault("Postgres silent on all connections", _silent("postgres", for_new=True), (5, 15)),
    Fault(
        "Valkey silent on its open connections",
        _silent("valkey", for_new=False),
        (30, 40),
        heals_in_place=True,
    ),
    Fault("Valkey silent on all connections", _silent("valkey", for_new=True), (5, 15)),
    Fault(
        "provider silent on all connections",
        _silent("first", for_new=True),
        (8, 15),
        heals_in_place=True,
        delays_provider=True,
    ),
    Fault(
        "SMSC silent on all connections",
        _silent("smpp", for_new=True),
        (8, 15),
        heals_in_place=True,
        delays_provider=True,
    ),
    Fault("Postgres connections reset", _cut("postgres"), heals_in_place=True),
    Fault("Valkey connections reset", _cut("valkey"), heals_in_place=True),
    Fault("provider connections reset", _cut("first"), heals_in_place=True),
    Fault("SMSC connections reset", _cut("smpp"), heals_in_place=True),
    Fault("Valkey wiped", _wiped, heals_in_place=True),
    Fault("Valkey full", _full, (5, 15)),
    Fault("Postgres sessions terminated", _terminated, heals_in_place=True),
    Fault("Postgres restarted at once", _restarted_postgres, heals_in_place=True),
    Fault("disk of Postgres full", _full_disk, (5, 12), needs=("small disk",)),
    Fault(
        "a second standard worker 30 s ahead", _skewed, (15, 25), needs=("libfaketime",), heals_in_place=True
    ),
    Fault("provider answers everything twice", _repeated, (6, 12), heals_in_place=True),
    Fault("provider answers 503", _hostile(defer_rate=1.0), (6, 12), heals_in_place=True),
    Fault("provider hangs", _hostile(latency_ms=60_000), (6, 12), heals_in_place=True),
    Fault("provider hangs up after reading", _hostile(unknown_rate=0.8), (6, 12), heals_in_place=True),
    Fault("provider slow", _hostile(slow_share=0.5, slow_ms=3000), (6, 12), heals_in_place=True),
    Fault("callback receiver answers 500", _failing_receiver, (6, 12), heals_in_place=True),
)
