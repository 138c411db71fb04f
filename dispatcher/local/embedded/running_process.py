"""A managed process that was started: its present process, its log, and how often it has died."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import Enum, auto
from pathlib import Path

from dispatcher.local.embedded import child, processes
from dispatcher.local.embedded.managed_process import ManagedProcess
from dispatcher.local.embedded.processes import ProcessHandle

_LOG_CAP = 10_000_000  # bytes; a longer log is moved aside at the next start
_TAIL = 20  # lines of a log in an error
_STEADY = timedelta(minutes=1)  # a run of that length ends a series of failures
_FIRST_DELAY = timedelta(milliseconds=200)
_LONGEST_DELAY = timedelta(seconds=30)


class ProcessState(Enum):
    """The state that the supervisor keeps a process in."""

    STARTING = auto()  # start() waits until it is ready
    UP = auto()  # started again when it dies
    DOWN = auto()  # died, and is due again at `due`
    STOPPED = auto()  # stopped on purpose


class RunningProcess:
    """A managed process and its present process. Not thread-safe: the supervisor's lock guards it."""

    def __init__(self, part: ManagedProcess, *, logs: Path, environment: Mapping[str, str]) -> None:
        self.part = part
        self.state = ProcessState.STARTING
        self.mark: ProcessHandle | None = None
        self.due = 0.0
        self._environment = environment
        self._log = logs / f"{part.name}.log"
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._since = 0.0
        self._failures = 0
        self._cap_log()

    @property
    def pid(self) -> int | None:
        """The pid, while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def spawn(self) -> None:
        """Prepare and start it; to be called in a thread that lives as long as the child should."""
        if self.part.prepare is not None:
            self.part.prepare()
        with self._log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603
                child.command(self.part.argv, identity=self.part.identity, nice=self.part.nice),
                env={**os.environ, **self.part.env, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C at the terminal is the supervisor's to hear
            )
        self.mark = processes.find_handle(self._process.pid)
        self._since = time.monotonic()

    def is_ready(self) -> bool:
        """Return whether it is ready."""
        return self.part.ready is None or self.part.ready()

    def death(self) -> str | None:
        """Return how it ended; None while it runs."""
        code = self._process.poll() if self._process is not None else 0
        if code is None:
            return None
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def postpone(self) -> timedelta:
        """Count a death and return the delay of the next start, which doubles until a run lasts a minute."""
        if time.monotonic() - self._since > _STEADY.total_seconds():
            self._failures = 0
        delay = min(_FIRST_DELAY * (1 << min(self._failures, 16)), _LONGEST_DELAY)
        self._failures += 1
        self.state = ProcessState.DOWN
        self.due = time.monotonic() + delay.total_seconds()
        return delay

    def send(self, number: signal.Signals) -> None:
        """Send its process a signal, unless it has ended."""
        if self._process is not None:
            self._process.send_signal(number)

    def clean_up(self) -> None:
        """Remove what only a run needs."""
        if self.part.clean_up is not None:
            self.part.clean_up()

    def terminate(self, hurried: Callable[[], bool]) -> bool:
        """Stop it with its own signal, or after its time-out with SIGKILL; False if that was needed."""
        if self.pid is None:
            return True
        self.send(self.part.stop_signal)
        timeout = self.part.stop_timeout
        processes.wait_until(lambda: self.pid is None or hurried(), timeout=timeout)
        if self.pid is None:
            return True
        self.send(signal.SIGKILL)
        processes.wait_until(lambda: self.pid is None, timeout=timedelta(seconds=5))
        return False

    def log_tail(self) -> str:
        """Return the last lines that its present process wrote."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode("utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_TAIL:])

    def _cap_log(self) -> None:
        if self._log.exists() and self._log.stat().st_size > _LOG_CAP:
            self._log.replace(self._log.with_suffix(".log.1"))
