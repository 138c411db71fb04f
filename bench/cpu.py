"""CPU time and peak memory of processes, read from /proc, and the speed of the machine."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds of a process with all its children, and the peak memory of the largest of them."""

    seconds: float
    peak_mib: float


def usage(roots: Mapping[str, int]) -> dict[str, Usage]:
    """Return the usage so far by name; `roots` has the process ids."""
    children = _children()
    return {name: _usage(_family(pid, children)) for name, pid in roots.items()}


def spent(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> dict[str, float]:
    """Return the CPU seconds used between two readings, by name."""
    return {name: after[name].seconds - before[name].seconds for name in after if name in before}


def other_load(seconds: float = 1.0) -> float:
    """Return how many cores are in use, measured over so many seconds."""
    before = _busy()
    time.sleep(seconds)
    return (_busy() - before) / seconds


def pace() -> float:
    """Return how many milliseconds a fixed Python loop takes now, as the speed of this machine."""
    started = time.perf_counter()
    sum(number & 7 for number in range(1_000_000))
    return (time.perf_counter() - started) * 1e3


def _busy() -> float:
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / _TICKS


def _usage(pids: Iterable[int]) -> Usage:
    seconds = peak = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue  # it has ended
        # user, system, and those of children that have ended
        seconds += sum(int(field) for field in fields[11:15]) / _TICKS
        high = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
        peak = max(peak, int(high.split()[1]) / 1024)
    return Usage(seconds, peak)


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    return children


def _family(pid: int, children: Mapping[int, list[int]]) -> list[int]:
    family = [pid]
    for member in family:
        family += children.get(member, [])
    return family
