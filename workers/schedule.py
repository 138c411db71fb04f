"""Beat's schedule. No entry expires: that would be by wall clocks. Workers skip entries that piled up."""

from collections.abc import Mapping
from typing import Any

from dispatcher.bootstrap import CLOCK, PROBE, QUEUES, SYSTEM

INTERVALS: Mapping[str, float] = {"tick": 1, "forget": 60, "match_receipts": 1, "launch": 1, "poll": 5}
"""How often each task is started, in seconds."""

_ON_THE_CLOCK = {"tick", "forget"}
_PROBE_SECONDS = 5


def beat_schedule() -> dict[str, dict[str, Any]]:
    """Return beat's schedule: each task at its interval, and probes through all queues every five seconds."""
    tasks = {
        task: _entry(task, CLOCK if task in _ON_THE_CLOCK else SYSTEM, every=every)
        for task, every in INTERVALS.items()
    }
    probes = {f"probe {queue}": _entry(PROBE, queue, every=_PROBE_SECONDS, args=(queue,)) for queue in QUEUES}
    return tasks | probes


def _entry(task: str, queue: str, *, every: float, args: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"task": task, "schedule": every, "args": args, "options": {"queue": queue}}
