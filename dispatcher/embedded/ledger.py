"""Who may use a data directory, and what was started on it: DIR/lock and DIR/parts.json."""

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
from dispatcher.embedded import processes
from dispatcher.embedded.processes import Mark

_VARIABLE = "DISPATCHER_STACK"
_PATIENCE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class StartedProcess:
    """A part that was started: enough to stop it when its supervisor is gone."""

    name: str
    process: Mark
    stop_signal: signal.Signals


class Ledger:
    """The lock and the list; the list outlives a supervisor that is killed, the lock does not."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "parts.json"
        self._lock_path = data_dir / "lock"
        self._lock: IO[str] | None = None
        self.environment = {
            _VARIABLE: str(data_dir)
        }  # marks what belongs to this directory, grandchildren too

    def acquire(self) -> None:
        """Take the directory for this process; Misconfigured if another has it."""
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
        """Give the directory back; the file stays, for who removes it may cut off another's lock."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def write(self, entries: Sequence[StartedProcess]) -> None:
        """Replace the list, at once and whole, by one of this process."""
        owner = processes.mark(os.getpid())
        rows = [
            {
                "name": entry.name,
                "pid": entry.process.pid,
                "started": entry.process.started,
                "stop": entry.stop_signal,
            }
            for entry in entries
        ]
        unfinished = self._path.with_suffix(".new")
        unfinished.write_text(
            json.dumps({"supervisor": owner and asdict(owner), "parts": rows}, indent=1) + "\n",
            encoding="utf-8",
        )
        unfinished.replace(self._path)

    def read(self, *, of: Mark | None = None) -> list[StartedProcess]:
        """Give the list; empty if there is none, it cannot be read, or it is not of that supervisor."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads(self._path.read_text(encoding="utf-8"))
            if of is None or content["supervisor"] == asdict(of):
                return [
                    StartedProcess(row["name"], Mark(row["pid"], row["started"]), signal.Signals(row["stop"]))
                    for row in content["parts"]
                ]
        return []

    def stop_orphans(self, *, of: Mark | None = None) -> list[str]:
        """
        Stop what is on the list and still runs, with what it has started itself; give the names.

        A process counts only with the start time it was written down with:
        a stranger who has the pid by now is left alone.
        """
        stopping, names = [], []
        for entry in self.read(of=of):
            found = [(member, signal.SIGKILL) for member in self.leftovers(entry.process)]
            if processes.is_running(entry.process):
                found.append((entry.process, entry.stop_signal))
            if found:
                names.append(entry.name)
                stopping += found
        processes.stop_all(stopping, timeout=_PATIENCE)
        return names

    def leftovers(self, leader: Mark) -> list[Mark]:
        """Give what a part has started itself and not taken along."""
        return processes.session_members(leader, marker=f"{_VARIABLE}={self.environment[_VARIABLE]}")
