"""The lock of a data directory and the list of its processes: DIR/lock and DIR/parts.json."""

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

from dispatcher.domain.errors import Misconfigured
from dispatcher.local.embedded import processes
from dispatcher.local.embedded.processes import ProcessHandle

_VARIABLE = "DISPATCHER_STACK"
_PATIENCE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class StartedProcess:
    """A process that was started, with all that is needed to stop it without its supervisor."""

    name: str
    process: ProcessHandle
    stop_signal: signal.Signals


class ProcessList:
    """The lock and the list. The list outlives a killed supervisor; the lock does not."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "parts.json"
        self._lock_path = data_dir / "lock"
        self._lock: IO[str] | None = None
        self.environment = {
            _VARIABLE: str(data_dir)
        }  # marks all processes of this directory, including grandchildren

    def acquire(self) -> None:
        """Lock the directory for this process. Raises Misconfigured if another process holds the lock."""
        file = self._lock_path.open("a+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise Misconfigured(f"already running as pid {holder} on {self._lock_path.parent}") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._lock = file

    def release(self) -> None:
        """Unlock the directory. The file stays: removing it could break the lock of another process."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def write(self, started_processes: Sequence[StartedProcess]) -> None:
        """Replace the list atomically, with this process as its supervisor."""
        owner = processes.find_handle(os.getpid())
        rows = [
            {
                "name": started.name,
                "pid": started.process.pid,
                "started": started.process.started,
                "stop": started.stop_signal,
            }
            for started in started_processes
        ]
        unfinished = self._path.with_suffix(".new")
        unfinished.write_text(
            json.dumps({"supervisor": owner and asdict(owner), "parts": rows}, indent=1) + "\n",
            encoding="utf-8",
        )
        unfinished.replace(self._path)

    def read(self, *, of: ProcessHandle | None = None) -> list[StartedProcess]:
        """Return the list; empty if it is missing, unreadable, or another supervisor's than `of`."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads(self._path.read_text(encoding="utf-8"))
            if of is None or content["supervisor"] == asdict(of):
                return [
                    StartedProcess(
                        row["name"], ProcessHandle(row["pid"], row["started"]), signal.Signals(row["stop"])
                    )
                    for row in content["parts"]
                ]
        return []

    def stop_orphans(self, *, of: ProcessHandle | None = None) -> list[str]:
        """
        Stop the processes on the list that still run, with their children, and return their names.

        A process counts only if its start time is the listed one: an unrelated
        process with the same pid is left alone.
        """
        stopping, names = [], []
        for started in self.read(of=of):
            found = [(member, signal.SIGKILL) for member in self.leftovers(started.process)]
            if processes.is_running(started.process):
                found.append((started.process, started.stop_signal))
            if found:
                names.append(started.name)
                stopping += found
        processes.stop_all(stopping, timeout=_PATIENCE)
        return names

    def leftovers(self, leader: ProcessHandle) -> list[ProcessHandle]:
        """Return the running processes that this process has started."""
        return processes.session_members(leader, marker=f"{_VARIABLE}={self.environment[_VARIABLE]}")
