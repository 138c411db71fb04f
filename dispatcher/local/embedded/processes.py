"""Inspects and stops processes that are not children of this one."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

_PROC = Path("/proc")
_POLL = timedelta(milliseconds=20)


@dataclass(frozen=True, slots=True)
class ProcessHandle:
    """Identifies a process by pid and start time, so that a later process with the same pid differs."""

    pid: int
    started: str


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    session: int
    started: int  # clock ticks since boot


def find_handle(pid: int) -> ProcessHandle | None:
    """Return the handle of a running process; None if it does not run or is a zombie."""
    if not _has_proc():
        return _find_handle_by_ps(pid)
    stat = _stat(pid)
    if stat is None or stat.state in "ZX":
        return None
    return ProcessHandle(pid, f"{_boot_id()}:{stat.started}")


def is_running(process: ProcessHandle) -> bool:
    """Return whether this process still runs."""
    return find_handle(process.pid) == process


def session_members(leader: ProcessHandle, *, marker: str) -> list[ProcessHandle]:
    """
    Return the running processes of the session of `leader`, without itself.

    Only processes with `marker` in their environment count, because the id of
    the session may have been reused. Without /proc the result is empty.
    """
    found = []
    for pid in _pids():
        stat = _stat(pid)
        if (
            stat is not None
            and pid != leader.pid
            and stat.session == leader.pid
            and _has_in_environment(pid, marker)
        ):
            found.append(find_handle(pid))
    return [member for member in found if member is not None]


def works_in(pid: int, folder: Path) -> bool:
    """Return whether this is the working directory of the process; a postmaster's is its data directory."""
    if not _has_proc():
        output = _ps(pid, "comm=")
        return "postgres" in output
    try:
        return os.path.samefile(_PROC / str(pid) / "cwd", folder)
    except OSError:
        return False


def send_signal(process: ProcessHandle, number: signal.Signals) -> None:
    """Send a signal to this process if it still runs."""
    if is_running(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def stop_all(signals: list[tuple[ProcessHandle, signal.Signals]], *, timeout: timedelta) -> None:
    """Send each process its signal, and SIGKILL after the time-out; wait until all have ended."""
    for process, number in signals:
        send_signal(process, number)
    handles = [process for process, _ in signals]
    if wait_until(lambda: not any(map(is_running, handles)), timeout=timeout):
        return
    for process in handles:
        send_signal(process, signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, handles)), timeout=timedelta(seconds=5))


def wait_until(condition: Callable[[], bool], *, timeout: timedelta) -> bool:
    """Wait until the condition holds; return False if it does not within the time-out."""
    end = time.monotonic() + timeout.total_seconds()
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL.total_seconds())
    return True


def _pids() -> Iterator[int]:
    if _has_proc():
        yield from (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may contain anything, even ")"
    return _Stat(state=fields[0], session=int(fields[3]), started=int(fields[19]))


def _has_in_environment(pid: int, marker: str) -> bool:
    try:
        return marker.encode() in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _boot_id() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _has_proc() -> bool:
    return (_PROC / "self/stat").exists()


def _find_handle_by_ps(pid: int) -> ProcessHandle | None:
    output = _ps(pid, "state=,lstart=").split(maxsplit=1)
    return ProcessHandle(pid, output[1]) if len(output) == 2 and not output[0].startswith("Z") else None


def _ps(pid: int, columns: str) -> str:
    command = ["ps", "-o", columns, "-p", str(pid)]
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
    return done.stdout.strip()
