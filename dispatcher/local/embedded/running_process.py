"""A managed process at run time: its operating-system process, its log and its failures."""

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import timedelta
from enum import Enum, auto
from pathlib import Path

from dispatcher.local.embedded import child, processes
from dispatcher.local.embedded.managed_process import ManagedProcess
from dispatcher.local.embedded.processes import ProcessHandle

_LOG_CAP = 10_000_000  # bytes; a longer log is moved aside at the next start
_TAIL = 20  # lines of a log in an error
_STEADY = timedelta(minutes=1)  # a run of this length resets the count of failures
_FIRST_DELAY = timedelta(milliseconds=200)
_LONGEST_DELAY = timedelta(seconds=30)


class ProcessState(Enum):
    """The state of a managed process."""

    STARTING = auto()  # start() waits until it is ready
    UP = auto()  # restarted if it dies
    DOWN = auto()  # died, and is restarted at `due`
    STOPPED = auto()  # stopped on purpose


class Starter:
    """
    The one thread that starts all processes: the kernel kills a child when the thread that started it ends.

    It is a daemon, so that a start that hangs, as on a dead disk, keeps nobody from ending.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], None], Future[None]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="starter", daemon=True).start()

    def run(self, call: Callable[[], None], *, timeout: timedelta) -> None:
        """Run a call in the thread, and wait for it. Raises what it raises, and TimeoutError."""
        done: Future[None] = Future()
        self._calls.put((call, done))
        done.result(timeout.total_seconds())

    def close(self) -> None:
        """End the thread after the calls that were submitted; nobody waits for it."""
        self._calls.put(None)

    def _run(self) -> None:
        while (item := self._calls.get()) is not None:
            call, done = item
            try:
                call()
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)


class RunningProcess:
    """A managed process at run time. Not thread-safe: the supervisor's lock guards it."""

    def __init__(self, definition: ManagedProcess, *, logs: Path, environment: Mapping[str, str]) -> None:
        self.definition = definition
        self.state = ProcessState.STARTING
        self.handle: ProcessHandle | None = None
        self.due = 0.0
        self._environment = environment
        self._log = logs / f"{definition.name}.log"
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._failures = 0
        self._hang = ""
        self._cap_log()

    @property
    def pid(self) -> int | None:
        """The pid; None while it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def spawn(self) -> None:
        """Prepare and start the process; call this in a thread that lives as long as the child should."""
        if self.definition.prepare is not None:
            self.definition.prepare()
        if self.state is ProcessState.STOPPED:  # the stop has not waited for `prepare`
            return
        without = self.definition.without
        inherited = {name: value for name, value in os.environ.items() if name not in without}
        with self._log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603
                child.command(
                    self.definition.argv, identity=self.definition.identity, nice=self.definition.nice
                ),
                env={**inherited, **self.definition.env, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C at the terminal reaches only the supervisor
            )
        self._hang = ""
        self.handle = processes.find_handle(self._process.pid)
        self._started_at = time.monotonic()

    def is_ready(self) -> bool:
        """Return whether the process is ready."""
        return self.definition.ready is None or self.definition.ready()

    def exit_description(self) -> str | None:
        """Return how the process ended; None while it runs."""
        code = self._process.poll() if self._process is not None else 0
        if code is None:
            return None
        if self._hang:
            return f"hung ({self._hang}) and was killed"
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def postpone(self) -> timedelta:
        """Count a failure; return the delay of the next start, which doubles until a run lasts a minute."""
        if time.monotonic() - self._started_at > _STEADY.total_seconds():
            self._failures = 0
        delay = min(_FIRST_DELAY * (1 << min(self._failures, 16)), _LONGEST_DELAY)
        self._failures += 1
        self.state = ProcessState.DOWN
        self.due = time.monotonic() + delay.total_seconds()
        return delay

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal, unless it has ended."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill_hung(self, how: str) -> None:
        """Kill the process, and say in the description of its end how it hung."""
        self._hang = how
        self.send(signal.SIGKILL)

    def clean_up(self) -> None:
        """Remove what is needed only while the process runs."""
        if self.definition.clean_up is not None:
            self.definition.clean_up()

    def terminate(self, is_hurried: Callable[[], bool]) -> bool:
        """Stop the process by its stop signal, after its time-out by SIGKILL; False if that was needed."""
        if self.pid is None:
            return True
        self.send(self.definition.stop_signal)
        timeout = self.definition.stop_timeout
        processes.wait_until(lambda: self.pid is None or is_hurried(), timeout=timeout)
        if self.pid is None:
            return True
        self.send(signal.SIGKILL)
        processes.wait_until(lambda: self.pid is None, timeout=timedelta(seconds=5))
        return False

    def log_tail(self) -> str:
        """Return the last lines that the current run has written to the log."""
        if not self._log.exists():
            return ""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode("utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_TAIL:])

    def _cap_log(self) -> None:
        if self._log.exists() and self._log.stat().st_size > _LOG_CAP:
            self._log.replace(self._log.with_suffix(".log.1"))
