"""Beat's schedule. No entry expires: that would be by wall clocks. Workers skip entries that piled up."""

from typing import Any

from dispatcher.bootstrap import CLOCK, PROBE, QUEUES, SYSTEM

_PROBE_SECONDS = 5.0
_POLL_SECONDS = 5.0
_FORGET_SECONDS = 60.0


def beat_schedule() -> dict[str, dict[str, Any]]:
    """Return beat's schedule: most tasks each second, `poll` and probes every five, `forget` each minute."""
    clock = {
        "tick": _entry("tick", CLOCK, every=1.0),
        "forget": _entry("forget", CLOCK, every=_FORGET_SECONDS),
    }
    system = {name: _entry(name, SYSTEM, every=1.0) for name in ("match_receipts", "launch")}
    poll = {"poll": _entry("poll", SYSTEM, every=_POLL_SECONDS)}
    probes = {f"probe {queue}": _entry(PROBE, queue, every=_PROBE_SECONDS, args=(queue,)) for queue in QUEUES}
    return clock | system | poll | probes


def _entry(task: str, queue: str, *, every: float, args: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"task": task, "schedule": every, "args": args, "options": {"queue": queue}}
