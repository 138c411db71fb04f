"""One run: a stack, the load, the faults, and the evidence once the stack has settled."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg

from faults.auditor.collect import collect, connect
from faults.auditor.evidence import Evidence
from faults.catalogue.schedule import PlannedFault, plan, plan_short
from faults.catalogue.small_disk import small_disk
from faults.catalogue.strikes import Ground
from faults.journal import Journal, read_journal
from faults.load.receiver import running_receiver
from faults.load.streams import LoadPlan, run_load
from faults.rig import Rig, running_rig, wait_until_ready

Announce = Callable[[str], None]
_SETTLE = 420.0  # seconds: a callback that failed often enough pauses for five minutes
_AFTER_LAST = 2.0  # seconds of load after the last fault of a short run

_OPEN = """
SELECT (SELECT count(*) FROM messages WHERE status IN (10, 11))
     + (SELECT count(*) FROM callbacks WHERE state = 'waiting')
     + (SELECT count(*) FROM receipts WHERE verdict = 'new')
     + (SELECT count(*) FROM runs WHERE state IN ('expanding', 'sending'))
"""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The seed, the length and the weight of a run; `is_short` has one kind of schedule for all lengths."""

    seed: int
    seconds: float
    weight: float = 1.0
    is_short: bool = False


def short_run(seed: int) -> RunPlan:
    """Return the plan of a run that fits into the tests: half a minute with the faults that take no time."""
    last = plan_short(seed)[-1]
    return RunPlan(seed, seconds=last.start + _AFTER_LAST, weight=1.5, is_short=True)


@dataclass(frozen=True, slots=True)
class RunResult:
    """The evidence of a run, what could not be struck, and how long it took to settle."""

    evidence: Evidence
    journal: Path
    skipped: Sequence[str]
    settled_in: float


async def run(directory: Path, run_plan: RunPlan, *, announce: Announce) -> RunResult:
    """Start a stack on this directory, strike at it under load, and return the evidence."""
    journal = Journal(directory / "journal.jsonl")
    async with AsyncExitStack() as stack:
        stack.callback(journal.close)
        disk = stack.enter_context(small_disk(directory / "postgres"))
        announce("starting the stack")
        rig = await stack.enter_async_context(running_rig(directory))
        receiver = await stack.enter_async_context(running_receiver(journal))
        await wait_until_ready(rig)
        ground = Ground(rig, receiver, disk)
        faults = _planned(run_plan, ground)
        announce(f"seed {run_plan.seed}: {len(faults)} faults in {run_plan.seconds:.0f} s")
        async with asyncio.TaskGroup() as group:
            load = LoadPlan(run_plan.seconds, run_plan.weight)
            group.create_task(run_load(rig, journal, receiver, plan=load, seed=run_plan.seed))
            for planned in faults:
                group.create_task(_strike(ground, planned, journal, announce))
        began = time.time()
        announce("settling")
        await _settle(rig, _SETTLE)
        return RunResult(
            evidence=await collect(rig, read_journal(directory / "journal.jsonl")),
            journal=directory / "journal.jsonl",
            skipped=_missing(ground),
            settled_in=time.time() - began,
        )


def _missing(ground: Ground) -> Sequence[str]:
    """Return what this machine lacks for some of the faults."""
    has = {"small disk": ground.disk, "libfaketime": ground.rig.skewed}
    return [name for name, means in has.items() if means is None]


def _planned(run_plan: RunPlan, ground: Ground) -> Sequence[PlannedFault]:
    if run_plan.is_short:
        return plan_short(run_plan.seed)
    return plan(run_plan.seed, seconds=run_plan.seconds, missing=frozenset(_missing(ground)))


async def _strike(ground: Ground, planned: PlannedFault, journal: Journal, announce: Announce) -> None:
    await asyncio.sleep(planned.start)
    announce(f"{planned.start:6.1f} s  {planned.fault.name}")
    start = time.time()
    async with planned.fault.strike(ground):
        await asyncio.sleep(max(0.0, planned.end - planned.start))
        end = time.time()
    if planned.end > planned.start:
        end = time.time()  # with the time that it takes to undo it
    journal.write(
        "struck",
        name=planned.fault.name, start=start, end=end,
        heals_in_place=planned.fault.heals_in_place, delays_provider=planned.fault.delays_provider,
    )  # fmt: skip


async def _settle(rig: Rig, seconds: float) -> None:
    """Wait until nothing is left to do, at most so long: what is left then is for the auditor."""
    end, still = time.time() + seconds, 0
    while time.time() < end and still < 3:
        is_done = await _is_done(rig)
        still = still + 1 if is_done else 0
        await asyncio.sleep(0.3)


async def _is_done(rig: Rig) -> bool:
    try:
        stats = [(await client.get("/stats")).json() for client in rig.sandboxes.values()]
        left = await asyncio.to_thread(_count_open, rig)
    except (httpx.HTTPError, psycopg.Error):
        return False
    return left == 0 and not any(s["pending_receipts"] or s["in_flight"] for s in stats)


def _count_open(rig: Rig) -> int:
    with connect(rig) as connection:
        row = connection.execute(_OPEN).fetchone()
        return int(row[0]) if row else 0
