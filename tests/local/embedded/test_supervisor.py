"""The supervisor: order, restarts, stops, and cleaning up after a kill -9."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from dispatcher.domain.errors import Misconfigured
from dispatcher.local.embedded import processes
from dispatcher.local.embedded.events import ProcessEvent, describe
from dispatcher.local.embedded.process_list import ProcessList, StartedProcess
from dispatcher.local.embedded.processes import ProcessHandle
from dispatcher.local.embedded.supervisor import Supervisor
from tests.local.embedded.stub_processes import eventually, is_gone, script, sleeper, stranger, up

SOON = timedelta(seconds=2)
IGNORES_SIGTERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(600)"
)

Events = list[tuple[str, str]]


@pytest.fixture
def events() -> Events:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, events: Events) -> Iterator[Supervisor]:
    with Supervisor(tmp_path, on_event=recording(events)) as supervisor:
        yield supervisor


def recording(events: Events) -> Callable[[ProcessEvent], None]:
    return lambda event: events.append((event.name, describe(event)))


def names_with(events: Events, words: str) -> list[str]:
    return [name for name, text in events if words in text]


def contains(log: Path, text: str) -> bool:
    return log.read_text() == text


def test_processes_start_in_order_each_when_the_one_before_is_ready(
    supervisor: Supervisor, events: Events
) -> None:
    asked: list[str] = []

    def ready(name: str) -> bool:
        asked.append(name)
        return asked.count(name) == 3

    supervisor.start(
        sleeper("first", ready=lambda: ready("first")), sleeper("second", ready=lambda: ready("second"))
    )
    assert asked == ["first"] * 3 + ["second"] * 3
    assert names_with(events, "is ready") == ["first", "second"]


def test_processes_stop_in_reverse_order(supervisor: Supervisor, events: Events) -> None:
    supervisor.start(sleeper("first"), sleeper("second"), sleeper("third"))
    pids = [supervisor.pid(name) for name in ("first", "second", "third")]
    supervisor.stop()
    assert names_with(events, "stopped") == ["third", "second", "first"]
    assert all(is_gone(pid) for pid in pids if pid)


def test_adjacent_processes_marked_together_stop_at_the_same_time(
    supervisor: Supervisor, events: Events
) -> None:
    """Each of the two ends only when the other has got its signal."""
    folder = supervisor.data_dir
    waits = (
        "import pathlib, signal, time; signalled, other = pathlib.Path({!r}), pathlib.Path({!r})\n"
        "signal.signal(signal.SIGTERM, lambda *_: signalled.touch())\n"
        "print('up', flush=True)\n"
        "while not (signalled.exists() and other.exists()): time.sleep(0.02)"
    )
    pair = [
        replace(script(name, waits.format(str(folder / name), str(folder / other))), together=True)
        for name, other in (("one", "two"), ("two", "one"))
    ]
    supervisor.start(sleeper("server"), *pair)
    for part in pair:
        assert eventually(partial(contains, folder / "logs" / f"{part.name}.log", "up\n"))
    supervisor.stop()
    assert sorted(names_with(events, "stopped")[:2]) == ["one", "two"]
    assert names_with(events, "stopped")[2:] == ["server"]
    assert names_with(events, "killed") == []


def test_a_process_that_dies_is_restarted(supervisor: Supervisor, events: Events) -> None:
    supervisor.start(sleeper("part"))
    before = supervisor.pid("part")
    supervisor.kill("part")
    assert eventually(lambda: supervisor.pid("part") not in (before, None))
    assert eventually(lambda: names_with(events, "was killed by SIGKILL; starts again in 0.2 s") == ["part"])


def test_a_process_that_keeps_dying_is_restarted_less_and_less_often(
    supervisor: Supervisor, events: Events
) -> None:
    supervisor.start(script("part", "raise SystemExit(3)"))
    assert eventually(lambda: bool(names_with(events, "ended with exit code 3; starts again in 0.8 s")))
    assert names_with(events, "in 0.2 s") == names_with(events, "in 0.4 s") == ["part"]


def test_a_process_is_prepared_before_each_start(supervisor: Supervisor) -> None:
    prepared: list[int] = []
    supervisor.start(replace(sleeper("part"), prepare=lambda: prepared.append(1)))
    supervisor.kill("part")
    assert eventually(lambda: len(prepared) == 2)


def test_with_restarts_off_a_dead_process_stays_dead_until_they_are_on(
    supervisor: Supervisor, events: Events
) -> None:
    supervisor.restart = False
    supervisor.start(sleeper("part"))
    supervisor.kill("part")
    assert eventually(lambda: names_with(events, "was killed") == ["part"])
    assert not eventually(lambda: supervisor.pid("part") is not None, within=timedelta(milliseconds=500))
    supervisor.restart = True
    assert eventually(lambda: supervisor.pid("part") is not None)


def test_a_process_that_was_stopped_stays_stopped_until_it_is_started(supervisor: Supervisor) -> None:
    supervisor.start(sleeper("part"))
    supervisor.stop_process("part")
    assert not eventually(lambda: supervisor.pid("part") is not None, within=timedelta(milliseconds=500))
    supervisor.start_process("part")
    assert supervisor.pid("part") is not None


def test_children_of_a_dead_process_are_killed_before_its_restart(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    note = tmp_path / "child"
    family = sleeper("family", argv=("/bin/sh", "-c", f"sleep 600 & echo $! > {note}; wait"))
    supervisor.start(replace(family, ready=lambda: note.exists() and note.read_text() != ""))
    pid = int(note.read_text())
    assert not is_gone(pid)
    supervisor.kill("family")
    assert eventually(lambda: is_gone(pid))


def test_a_process_that_does_not_stop_in_time_is_killed(
    supervisor: Supervisor, events: Events, tmp_path: Path
) -> None:
    log = tmp_path / "logs" / "deaf.log"
    supervisor.start(
        replace(
            script("deaf", IGNORES_SIGTERM),
            ready=lambda: "deaf" in log.read_text(),
            stop_timeout=timedelta(0),
        )
    )
    supervisor.stop()
    assert names_with(events, "did not stop in time") == ["deaf"]


def test_a_stop_as_a_whole_has_a_deadline(tmp_path: Path, events: Events) -> None:
    deaf = [replace(script(name, IGNORES_SIGTERM), stop_timeout=timedelta(minutes=5)) for name in ("a", "b")]
    with Supervisor(tmp_path, on_event=recording(events), stop_within=timedelta(0)) as supervisor:
        supervisor.start(*deaf)
        for name in ("a", "b"):
            assert eventually(partial(contains, tmp_path / "logs" / f"{name}.log", "deaf\n"))
    assert names_with(events, "did not stop in time; killed it") == ["b", "a"]


def test_a_start_that_hangs_does_not_keep_the_others_from_stopping(tmp_path: Path, events: Events) -> None:
    hangs, entered = threading.Event(), threading.Event()

    def prepare() -> None:
        entered.set()
        hangs.wait(60)

    with Supervisor(tmp_path, on_event=recording(events)) as supervisor:
        supervisor.start(sleeper("part"))
        late = replace(sleeper("late"), prepare=prepare)
        starting = threading.Thread(target=supervisor.start, args=[late])
        starting.start()
        assert entered.wait(5)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert names_with(events, "stopped") == ["late", "part"]
    hangs.set()
    starting.join(10)
    assert not starting.is_alive()
    assert names_with(events, "is ready") == ["part"]


def test_a_process_that_hangs_is_killed_and_restarted_with_one_line_in_the_log(
    supervisor: Supervisor, events: Events
) -> None:
    supervisor.start(sleeper("part"))
    pid = supervisor.pid("part")
    assert pid is not None
    supervisor.kill("part", signal.SIGSTOP)
    supervisor.kill_hung("part", pid + 1, "another run of it")
    supervisor.kill_hung("part", pid, "it has reported nothing for 31 s")
    assert eventually(lambda: supervisor.pid("part") not in (pid, None))
    text = "hung (it has reported nothing for 31 s) and was killed; starts again in 0.2 s"
    assert names_with(events, text) == ["part"]
    assert names_with(events, "was killed") == ["part"]
    supervisor.kill("part")
    assert eventually(lambda: names_with(events, "was killed by SIGKILL") == ["part"])


def test_a_process_that_fails_to_start_is_reported_with_the_end_of_its_log(supervisor: Supervisor) -> None:
    code = "print('line 1'); print('no such table'); raise SystemExit(1)"
    with pytest.raises(Misconfigured, match=r"api ended with exit code 1.*\n(.*\n)*no such table"):
        supervisor.start(replace(script("api", code), ready=lambda: False))


def test_a_process_that_is_never_ready_is_an_error(supervisor: Supervisor) -> None:
    part = replace(sleeper("api", ready=lambda: False), ready_timeout=timedelta(milliseconds=200))
    with pytest.raises(Misconfigured, match="api was not ready after"):
        supervisor.start(part)


def test_a_server_that_fails_on_remains_of_its_last_run_is_retried(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    tried, runs = tmp_path / "tried", tmp_path / "runs"
    code = f"test -e {tried} && touch {runs} && exec sleep 600; touch {tried}; exit 1"
    server = sleeper("server", argv=("/bin/sh", "-c", code), ready=runs.exists)
    part = replace(server, start_retry=timedelta(seconds=5))
    supervisor.start(part)
    assert supervisor.pid("server") is not None


def test_a_log_is_appended_to_and_rotated_when_it_is_large(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "part.log"
    part = script("part", "print('line'); import time; time.sleep(600)")
    for text in ("line\n", "line\nline\n"):
        with Supervisor(tmp_path) as supervisor:
            supervisor.start(replace(part, ready=partial(contains, log, text)))
    os.truncate(log, 20_000_000)
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(sleeper("part"))
        assert log.stat().st_size == 0
        assert (tmp_path / "logs" / "part.log.1").exists()


def test_a_second_supervisor_on_a_directory_is_refused(supervisor: Supervisor) -> None:
    with pytest.raises(Misconfigured, match=f"already running as pid {os.getpid()} on {supervisor.data_dir}"):
        Supervisor(supervisor.data_dir).open()


def test_a_directory_is_unlocked_after_a_stop(tmp_path: Path) -> None:
    for _ in range(2):
        with Supervisor(tmp_path) as supervisor:
            supervisor.start(sleeper("part"))
    assert json.loads((tmp_path / "parts.json").read_text())["parts"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_exits_with_0(tmp_path: Path, number: signal.Signals) -> None:
    with up(tmp_path, "sleepers") as stack:
        stack.process.send_signal(number)
        assert stack.process.wait(timeout=10) == 0
        assert all(is_gone(pid) for pid in stack.pids.values())


def test_the_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    with up(tmp_path, "stubborn") as stack:
        stack.process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            stack.process.wait(timeout=0.5)
        stack.process.send_signal(signal.SIGINT)
        assert stack.process.wait(timeout=5) == 0
        assert is_gone(stack.pids["stubborn"])


def test_processes_get_no_signals_from_the_terminal(tmp_path: Path) -> None:
    with up(tmp_path, "sleepers") as stack:
        groups = {os.getpgid(pid) for pid in stack.pids.values()}
        assert groups == set(stack.pids.values())


def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with up(tmp_path, "servers") as stack:
        stack.process.kill()
        assert eventually(lambda: all(is_gone(pid) for pid in stack.pids.values()), within=SOON)
    with up(tmp_path, "servers") as again:
        assert set(again.pids) == {"postgres", "valkey"}
        assert again.urls == stack.urls


def test_grandchildren_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with up(tmp_path, "family") as stack:
        assert eventually(lambda: (tmp_path / "child").read_text() != "")
        grandchild = int((tmp_path / "child").read_text())
        stack.process.kill()
        assert eventually(lambda: is_gone(grandchild), within=SOON)


def test_orphans_of_a_killed_run_are_stopped_before_the_next(tmp_path: Path) -> None:
    recorded: Events = []
    with stranger() as orphan:
        process = processes.find_handle(orphan.pid)
        assert process is not None
        ProcessList(tmp_path).write([StartedProcess("worker", process, signal.SIGTERM)])
        with Supervisor(tmp_path, on_event=recording(recorded)):
            assert orphan.wait(timeout=5) == -signal.SIGTERM
    assert names_with(recorded, "killed run") == ["worker"]


def test_an_unrelated_process_with_the_pid_of_an_orphan_is_left_alone(tmp_path: Path) -> None:
    with stranger() as other:
        ProcessList(tmp_path).write(
            [StartedProcess("worker", ProcessHandle(other.pid, "another time"), signal.SIGTERM)]
        )
        with Supervisor(tmp_path):
            assert other.poll() is None


def test_a_late_guardian_leaves_the_next_run_alone(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(sleeper("part"))
        assert ProcessList(tmp_path).stop_orphans(of=ProcessHandle(os.getpid(), "another time")) == []
        assert supervisor.pid("part") is not None


def test_an_unreadable_list_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "parts.json").write_text("{")
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(sleeper("part"))


def test_a_process_survives_the_thread_that_asked_for_it(supervisor: Supervisor) -> None:
    thread = threading.Thread(target=lambda: supervisor.start(sleeper("part")))
    thread.start()
    thread.join()
    assert not eventually(lambda: supervisor.pid("part") is None, within=timedelta(milliseconds=300))


def test_a_guardian_that_hangs_does_not_delay_the_stop(tmp_path: Path) -> None:
    with up(tmp_path, "sleepers") as stack:
        [guardian] = [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdecimal() and _is_guardian(entry, tmp_path)
        ]
        os.kill(guardian, signal.SIGSTOP)
        stack.process.send_signal(signal.SIGTERM)
        assert stack.process.wait(timeout=10) == 0
        assert is_gone(guardian)


def test_servers_that_hang_are_killed_at_their_deadlines(tmp_path: Path) -> None:
    with up(tmp_path, "servers") as stack:
        for pid in stack.pids.values():
            os.kill(pid, signal.SIGSTOP)
        stack.process.send_signal(signal.SIGTERM)
        assert stack.process.wait(timeout=10) == 0
        assert all(is_gone(pid) for pid in stack.pids.values())


def _is_guardian(entry: Path, data_dir: Path) -> bool:
    try:
        words = (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"dispatcher.local.embedded.guardian" in words and str(data_dir).encode() in words


def test_a_process_does_not_inherit_the_variables_that_it_must_not_get(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "hidden")
    monkeypatch.setenv("A_NAME", "shown")
    code = "import os, time; print(os.environ.get('A_SECRET'), os.environ.get('A_NAME')); time.sleep(600)"
    part = replace(script("part", code), without=frozenset({"A_SECRET"}))
    log = tmp_path / "logs" / "part.log"
    supervisor.start(replace(part, ready=lambda: log.read_text() != ""))
    assert log.read_text() == "None shown\n"
