"""The supervisor of `dispatcher up`: starts processes in order, restarts and stops them."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
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
from dispatcher.local.embedded.managed_process import ManagedProcess
from dispatcher.local.embedded.process_list import ProcessList, StartedProcess
from dispatcher.local.embedded.running_process import ProcessState, RunningProcess

_WATCH = timedelta(milliseconds=100)
_ASK = timedelta(milliseconds=30)


class Supervisor:
    """
    Keeps the processes of one data directory alive.

        with Supervisor(DIR, on_event=log, signals=True) as supervisor:
            supervisor.start(postgres_part(DIR), valkey_part(DIR))
            supervisor.wait()

    Entering locks the directory and stops what a killed run has left; leaving
    stops everything. If this process is killed, its children die too: the
    kernel kills them, and the guardian kills what they had started. `on_event`
    is called from several threads. Each supervisor is used once.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        on_event: Callable[[ProcessEvent], None] = lambda _event: None,
        restart: bool = True,
        signals: bool = False,
    ) -> None:
        """With `signals`, SIGINT, SIGTERM and SIGHUP end the `with` block quietly; a second one kills."""
        self.data_dir = data_dir.absolute()
        self.restart = restart
        self._report = on_event
        self._signals = signals
        self._ledger = ProcessList(self.data_dir)
        self._parts: dict[str, RunningProcess] = {}
        self._changing = threading.RLock()
        self._stopping = threading.Event()
        self._asked_to_stop = self._hurried = False
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
            self._ledger.acquire()
            stack.callback(self._ledger.release)
            for name in self._ledger.stop_orphans():
                self._report(OrphanStopped(name))
            self._ledger.write([])
            # The kernel kills a child when the thread that started it ends: one thread starts them all.
            self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")
            stack.callback(self._starter.shutdown)
            stack.enter_context(self._guardian())
            watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
            watcher.start()
            stack.callback(watcher.join)
            stack.callback(self._stopping.set)
            if self._signals:
                stack.enter_context(self._handled_signals())
            self._resources = stack.pop_all()

    def start(self, *parts: ManagedProcess) -> None:
        """Start these, each when the one before is ready. Raises Misconfigured with the end of a log."""
        for part in parts:
            if part.name in self._parts:
                raise ValueError(f"there is a part {part.name} already")
            logs = self.data_dir / "logs"
            self._parts[part.name] = RunningProcess(part, logs=logs, environment=self._ledger.environment)
            self.start_part(part.name)

    def start_part(self, name: str) -> None:
        """Start one that was stopped, and wait until it is ready. Raises Misconfigured."""
        running = self._parts[name]
        with self._changing:
            running.state = ProcessState.STARTING
        began = time.monotonic()
        self._spawn(running)
        self._await_ready(running, began)
        with self._changing:
            running.state = ProcessState.UP
        self._report(ProcessReady(name, timedelta(seconds=time.monotonic() - began)))

    def stop_part(self, name: str) -> None:
        """Stop one; it is not restarted."""
        running = self._parts[name]
        with self._changing:
            running.state = ProcessState.STOPPED
        self._starter.submit(lambda: None).result()  # wait for a start that was interrupted
        in_time = running.terminate(lambda: self._hurried)
        self._clear_away(running)
        running.clean_up()
        self._report(ProcessStopped(name, in_time))

    def stop(self) -> None:
        """Stop all, the last first, and unlock the directory; may be called again."""
        self._asked_to_stop = self._asked_to_stop or self._signals
        self._stopping.set()
        with self._resources.pop_all():
            for names in self._stages():
                with ThreadPoolExecutor(len(names)) as pool:
                    list(pool.map(self.stop_part, names))
            if self._parts:
                self._ledger.write([])
            self._parts.clear()

    def _stages(self) -> Iterator[list[str]]:
        """Yield the names in the order of their stop, those of a list at once."""
        parts = [running.part for running in reversed(self._parts.values())]
        for together, neighbours in groupby(parts, key=lambda part: part.together):
            names = [part.name for part in neighbours]
            yield from [names] if together else ([name] for name in names)

    def wait(self) -> None:
        """Block until KeyboardInterrupt, which with `signals` SIGTERM raises too."""
        while True:
            time.sleep(3600)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a process a signal that the supervisor does not expect."""
        self._parts[name].send(number)

    def pid(self, name: str) -> int | None:
        """Return the pid of a process; None while it does not run."""
        return self._parts[name].pid

    def _spawn(self, running: RunningProcess) -> None:
        self._starter.submit(running.spawn).result()
        with self._changing:
            self._write_down()

    def _write_down(self) -> None:
        self._ledger.write(
            [
                StartedProcess(running.part.name, running.mark, running.part.stop_signal)
                for running in self._parts.values()
                if running.mark is not None
            ]
        )

    def _await_ready(self, running: RunningProcess, began: float) -> None:
        part = running.part
        while not running.is_ready():
            waited = timedelta(seconds=time.monotonic() - began)
            if (death := running.death()) is not None:
                if waited >= part.start_retry:
                    raise _failed(running, death)
                self._spawn(running)
            elif waited >= part.ready_timeout:
                raise _failed(running, f"was not ready after {waited.total_seconds():.0f} s")
            time.sleep(_ASK.total_seconds())

    def _watch(self) -> None:
        while not self._stopping.wait(_WATCH.total_seconds()):
            with self._changing:
                for running in list(self._parts.values()):
                    self._look_after(running)

    def _look_after(self, running: RunningProcess) -> None:
        if running.state is ProcessState.UP and (death := running.death()) is not None:
            self._clear_away(running)
            delay = running.postpone()
            self._report(ProcessDied(running.part.name, death, delay if self.restart else None))
        elif running.state is ProcessState.DOWN and self.restart and time.monotonic() >= running.due:
            self._start_again(running)

    def _start_again(self, running: RunningProcess) -> None:
        try:
            self._spawn(running)
        except (Misconfigured, OSError) as error:
            self._report(RestartFailed(running.part.name, str(error), running.postpone()))
            return
        running.state = ProcessState.UP
        self._report(ProcessRestarted(running.part.name, running.pid))

    def _clear_away(self, running: RunningProcess) -> None:
        """Kill what a dead process had started itself, such as the pool of a worker."""
        if running.mark is not None:
            left = [(member, signal.SIGKILL) for member in self._ledger.leftovers(running.mark)]
            processes.stop_all(left, timeout=timedelta(seconds=1))

    @contextlib.contextmanager
    def _guardian(self) -> Iterator[None]:
        """Run the guardian, which cleans up after a kill -9: that closes its standard input."""
        root = Path(__file__).parents[2]
        mark = processes.find_handle(os.getpid())
        if mark is None:  # impossible: it is this process
            raise RuntimeError("no entry for this process in the system's list")
        arguments = [str(self.data_dir), str(mark.pid), mark.started]
        command = [sys.executable, "-S", "-m", "dispatcher.local.embedded.guardian", *arguments]
        guardian = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(root)},
            start_new_session=True,
        )
        try:
            yield
        finally:
            guardian.communicate()

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
            self._hurried = True
        else:
            self._asked_to_stop = True
            raise KeyboardInterrupt


def _failed(running: RunningProcess, what: str) -> Misconfigured:
    tail = running.log_tail() or "(its log is empty)"
    return Misconfigured(f"{running.part.name} {what}; the end of its log:\n{tail}")
