"""The supervisor of `dispatcher up`: starts processes in order, restarts and stops them."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from dispatcher.domain.errors import Misconfigured
from dispatcher.local.embedded import processes
from dispatcher.local.embedded.events import (
    OrphanStopped,
    ProcessDied,
    ProcessEvent,
    ProcessReady,
    ProcessRestarted,
    ProcessStopped,
    RestartFailed,
)
from dispatcher.local.embedded.guardian import guarded
from dispatcher.local.embedded.managed_process import ManagedProcess
from dispatcher.local.embedded.process_list import ProcessList, StartedProcess
from dispatcher.local.embedded.running_process import ProcessState, RunningProcess, Starter

_WATCH_INTERVAL = timedelta(milliseconds=100)
_READY_INTERVAL = timedelta(milliseconds=30)
_SPAWN_TIME = timedelta(minutes=2)  # the first start of Postgres includes initdb
_STOP_PATIENCE = timedelta(seconds=1)  # with a start or a restart that hangs


class Supervisor:
    """
    Keeps the processes of one data directory alive.

        with Supervisor(DIR, on_event=log, signals=True) as supervisor:
            supervisor.start(postgres_process(DIR), valkey_process(DIR))
            supervisor.wait()

    Entering the block locks the directory and stops processes that a killed run
    has left; leaving it stops everything. If this process is killed, its children
    die too: the kernel kills them, and the guardian kills their children.
    `on_event` is called from several threads. Each supervisor is used once.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        on_event: Callable[[ProcessEvent], None] = lambda _event: None,
        restart: bool = True,
        signals: bool = False,
        stop_within: timedelta = timedelta.max,
    ) -> None:
        """
        With `signals`, SIGINT, SIGTERM and SIGHUP end the block quietly; a second signal kills.

        `stop_within` bounds a stop as a whole: what has not ended by then is killed.
        """
        self.data_dir = data_dir.absolute()
        self.restart = restart
        self._report = on_event
        self._signals = signals
        self._process_list = ProcessList(self.data_dir)
        self._running: dict[str, RunningProcess] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._asked_to_stop = self._is_hurried = False
        self._stop_within, self._stop_by = stop_within.total_seconds(), math.inf
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self.stop()
        return self._asked_to_stop and kind is KeyboardInterrupt

    def open(self) -> None:
        """Lock the directory and stop what a killed run has left. Raises Misconfigured if it is locked."""
        (self.data_dir / "logs").mkdir(parents=True, exist_ok=True)
        (self.data_dir / "logs").chmod(0o700)
        with contextlib.ExitStack() as stack:
            self._process_list.acquire()
            stack.callback(self._process_list.release)
            for name in self._process_list.stop_orphans():
                self._report(OrphanStopped(name))
            self._process_list.write([])
            self._starter = Starter()
            stack.callback(self._starter.close)
            stack.enter_context(guarded(self.data_dir))
            watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
            watcher.start()
            stack.callback(watcher.join, _STOP_PATIENCE.total_seconds())
            stack.callback(self._stopping.set)
            if self._signals:
                stack.enter_context(self._handled_signals())
            self._resources = stack.pop_all()

    def start(self, *definitions: ManagedProcess) -> None:
        """Start processes, each when the one before is ready. Raises Misconfigured with the end of a log."""
        for definition in definitions:
            if definition.name in self._running:
                raise ValueError(f"there is a process {definition.name!r} already")
            logs = self.data_dir / "logs"
            self._running[definition.name] = RunningProcess(
                definition, logs=logs, environment=self._process_list.environment
            )
            self.start_process(definition.name)

    def start_process(self, name: str) -> None:
        """Start a process that was stopped, and wait until it is ready. Raises Misconfigured."""
        running = self._running[name]
        with self._lock:
            running.state = ProcessState.STARTING
        began = time.monotonic()
        self._spawn(running)
        self._await_ready(running, began)
        with self._lock:
            if running.state is ProcessState.STOPPED:  # meanwhile, by another thread
                return
            running.state = ProcessState.UP
        self._report(ProcessReady(name, timedelta(seconds=time.monotonic() - began)))

    def stop_process(self, name: str) -> None:
        """Stop a process; it is not restarted."""
        self._settle([name])
        self._end(name)

    def _settle(self, names: Sequence[str]) -> None:
        """Let no process of these be started again, and wait a moment for one whose start was interrupted."""
        has_lock = self._lock.acquire(timeout=_STOP_PATIENCE.total_seconds())
        try:
            for name in names:
                self._running[name].state = ProcessState.STOPPED
        finally:
            if has_lock:
                self._lock.release()
        with contextlib.suppress(TimeoutError):
            self._starter.run(lambda: None, timeout=_STOP_PATIENCE if has_lock else timedelta())

    def _end(self, name: str) -> None:
        running = self._running[name]
        in_time = running.terminate(lambda: self._is_hurried or time.monotonic() > self._stop_by)
        self._kill_leftovers(running)
        running.clean_up()
        self._report(ProcessStopped(name, in_time))

    def stop(self) -> None:
        """Stop all processes in reverse order, and unlock the directory; may be called again."""
        self._asked_to_stop = self._asked_to_stop or self._signals
        self._stopping.set()
        self._stop_by = time.monotonic() + self._stop_within
        with self._resources.pop_all():
            if self._running:
                self._settle(list(self._running))
            for names in self._stages():
                with ThreadPoolExecutor(len(names)) as pool:
                    list(pool.map(self._end, names))
            if self._running:
                with contextlib.suppress(
                    OSError
                ):  # on a full disk the old list stays: its processes are over
                    self._process_list.write([])
            self._running.clear()

    def _stages(self) -> Iterator[list[str]]:
        """Yield lists of names in the order they stop; the processes of a list stop at once."""
        definitions = [running.definition for running in reversed(self._running.values())]
        for together, neighbours in groupby(definitions, key=lambda definition: definition.together):
            names = [definition.name for definition in neighbours]
            yield from [names] if together else ([name] for name in names)

    def wait(self) -> None:
        """Block until KeyboardInterrupt, which SIGTERM raises too if `signals` is set."""
        while True:
            time.sleep(3600)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a process a signal that the supervisor does not expect."""
        self._running[name].send(number)

    def kill_hung(self, name: str, pid: int, how: str) -> None:
        """Kill a process that should run and hangs, so that it is restarted; `how` is for its event."""
        with self._lock:
            running = self._running.get(name)
            if running is not None and running.state is ProcessState.UP and running.pid == pid:
                running.kill_hung(how)

    def pid(self, name: str) -> int | None:
        """Return the pid of a process; None while it does not run."""
        return self._running[name].pid

    def _spawn(self, running: RunningProcess) -> None:
        self._starter.run(running.spawn, timeout=_SPAWN_TIME)
        with self._lock:
            self._save_list()

    def _save_list(self) -> None:
        self._process_list.write(
            [
                StartedProcess(running.definition.name, running.handle, running.definition.stop_signal)
                for running in self._running.values()
                if running.handle is not None
            ]
        )

    def _await_ready(self, running: RunningProcess, began: float) -> None:
        definition = running.definition
        while not running.is_ready():
            waited = timedelta(seconds=time.monotonic() - began)
            if (ending := running.exit_description()) is not None:
                if waited >= definition.start_retry:
                    raise _failed(running, ending)
                self._spawn(running)
            elif waited >= definition.ready_timeout:
                raise _failed(running, f"was not ready after {waited.total_seconds():.0f} s")
            time.sleep(_READY_INTERVAL.total_seconds())

    def _watch(self) -> None:
        while not self._stopping.wait(_WATCH_INTERVAL.total_seconds()):
            with self._lock:
                for running in list(self._running.values()):
                    self._check(running)

    def _check(self, running: RunningProcess) -> None:
        if running.state is ProcessState.UP and (ending := running.exit_description()) is not None:
            self._kill_leftovers(running)
            delay = running.postpone()
            self._report(ProcessDied(running.definition.name, ending, delay if self.restart else None))
        elif running.state is ProcessState.DOWN and self.restart and time.monotonic() >= running.due:
            self._restart(running)

    def _restart(self, running: RunningProcess) -> None:
        try:
            self._spawn(running)
        except (Misconfigured, OSError) as error:
            self._report(RestartFailed(running.definition.name, str(error), running.postpone()))
            return
        running.state = ProcessState.UP
        self._report(ProcessRestarted(running.definition.name, running.pid))

    def _kill_leftovers(self, running: RunningProcess) -> None:
        """Kill the children of a dead process, such as the pool of a worker."""
        if running.handle is not None:
            left = [(member, signal.SIGKILL) for member in self._process_list.leftovers(running.handle)]
            processes.stop_all(left, timeout=timedelta(seconds=1))

    @contextlib.contextmanager
    def _handled_signals(self) -> Iterator[None]:
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked_to_stop:
            self._is_hurried = True
        else:
            self._asked_to_stop = True
            raise KeyboardInterrupt


def _failed(running: RunningProcess, what: str) -> Misconfigured:
    tail = running.log_tail() or "(its log is empty)"
    return Misconfigured(f"{running.definition.name} {what}; the end of its log:\n{tail}")
