"""`dispatcher up` as a process of its own: the curl line it prints, signals, restarts."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dispatcher.domain.messages.status import Status
from dispatcher.local.embedded.ports import LOOPBACK, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_CLI = (sys.executable, "-P", "-m", "dispatcher.cli")
_OURS = ("DATABASE_URL", "REDIS_URL", "DISPATCHER_", "FLOWER_")


class Up:
    """`dispatcher up` on one directory, which a test starts, kills and starts again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "data"
        self.ports = {option: free_port() for option in ("--port", "--flower-port", "--sandbox-port")}
        self.output = home / "output"
        self._environment = {n: v for n, v in os.environ.items() if not n.startswith(_OURS)}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    def start(self) -> str:
        """Start it, and return the curl line that it prints when all is ready."""
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [*_CLI, *self.arguments()],
                cwd=self.home,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _until(self._is_serving, seconds=300, what="up serves")
        [line] = [line.strip() for line in self.printed().splitlines() if line.strip().startswith("curl ")]
        return line

    def stop(self, number: signal.Signals, *, seconds: float) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def close(self) -> None:
        """Kill everything that still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)

    def arguments(self) -> list[str]:
        ports = [word for option, port in self.ports.items() for word in (option, str(port))]
        return ["up", "--data", str(self.data), *ports]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run another command in the same place."""
        return subprocess.run(
            [*_CLI, *arguments],
            cwd=self.home,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def shell(self, line: str) -> Any:
        """Run a shell line as printed, and return the JSON that it prints."""
        done = subprocess.run(
            line, shell=True, cwd=self.home, capture_output=True, text=True, timeout=30, check=True
        )
        return json.loads(done.stdout)

    def message(self, message_id: int) -> Mapping[str, Any]:
        done = self.run("message", "show", str(message_id), "--json", "--data", str(self.data))
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def credentials(self) -> Mapping[str, Any]:
        return dict(json.loads((self.data / "credentials.json").read_text(encoding="utf-8")))

    def printed(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def pid(self, name: str) -> int:
        """Return the pid of a process by its name."""
        parts = json.loads((self.data / "parts.json").read_text(encoding="utf-8"))["parts"]
        return int(next(part["pid"] for part in parts if part["name"] == name))

    def pids(self) -> list[int]:
        """
        Return the pids of all processes that were started for this directory, including grandchildren.

        Most have its marker in their environment. Valkey overwrites its environment with its title, but its
        working directory is inside, and before that its arguments name it.
        """
        marker = f"DISPATCHER_STACK={self.data}".encode()
        return [
            pid
            for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
            if marker in _words(pid, "environ")
            or any(str(self.data).encode() in word for word in _words(pid, "cmdline"))
            or self._works_within(pid, self.data)
        ]

    def valkeys(self) -> list[int]:
        """Return the pids of the Valkey servers of this directory."""
        return [pid for pid in self.pids() if self._works_within(pid, self.data / "valkey")]

    def _works_within(self, pid: int, folder: Path) -> bool:
        try:
            return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder)
        except OSError:
            return False

    def _is_serving(self) -> bool:
        assert self.process.poll() is None, self.printed()
        return "Ctrl-C stops everything." in self.printed()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    made = Up(tmp_path)
    try:
        yield made
    finally:
        made.close()


def test_up_serves_stops_completely_and_recovers_from_a_kill(up: Up) -> None:
    """One test, because each start takes seconds: first run, SIGTERM, start, SIGKILL, start."""
    curl = up.start()

    # The printed line sends a message, and the message is received.
    [[message_id]] = up.shell(curl)["sms_ids"].values()
    _until(
        lambda: up.message(message_id)["status"] == Status.RECEIVED,
        seconds=40,
        what="the message is received",
    )
    shown = up.run("message", "show", str(message_id), "--data", str(up.data))
    assert shown.returncode == 0
    assert "13 Received" in shown.stdout
    assert "The handset has it" in shown.stdout

    # credentials.json has all that a program needs, and only this user can read it.
    assert (up.data / "credentials.json").stat().st_mode & 0o777 == 0o600
    first = up.credentials()
    assert first["base_url"] == f"http://127.0.0.1:{up.ports['--port']}"
    assert first["flower_url"] == f"http://127.0.0.1:{up.ports['--flower-port']}"
    assert first["sandbox_url"] == f"http://127.0.0.1:{up.ports['--sandbox-port']}"
    assert first["account"] == "demo"
    assert first["scheduler"]["senderId"] == 1
    assert first["scheduler"]["token"] in curl

    # The paths of the dialects are printed, and tokens can be signed.
    for path in ("/api/v0", "/sms", "/api/v1/sms/send", "/api/v2", "/api/3rdparty/v1"):
        assert f" {path}" in up.printed()
    ask = ["curl", "-sS", "-H", "Content-Type: application/json", "-d", json.dumps(first["emess"])]
    assert "token" in up.shell(shlex.join([*ask, f"{first['base_url']}/api/v0/auth/token"]))

    # One directory, one stack.
    second = up.run(*up.arguments())
    assert second.returncode == 2
    assert second.stderr.startswith("dispatcher: already running as pid ")

    # SIGTERM stops it quietly and completely.
    assert len(up.valkeys()) == 1
    assert up.stop(signal.SIGTERM, seconds=60) == 0
    assert "stopped" in up.printed()
    assert "Traceback" not in up.printed()
    assert up.pids() == []

    # SIGKILL gives it no time to stop anything; the next start does that.
    assert up.start() == curl
    up.stop(signal.SIGKILL, seconds=10)
    assert up.start() == curl
    assert "Traceback" not in up.printed()
    assert up.message(message_id)["status"] == Status.RECEIVED
    assert up.credentials() == first
    assert len(up.valkeys()) == 1

    # Ctrl-C stops it within 20 seconds, whatever hangs.
    for name in ("worker-critical", "worker-bulk", "beat", "flower", "valkey"):
        os.kill(up.pid(name), signal.SIGSTOP)
    assert up.stop(signal.SIGINT, seconds=20) == 0
    assert up.printed().count("did not stop in time; killed it") >= 5
    assert up.pids() == []


def test_up_with_a_taken_port_says_which_option_chooses_another_and_starts_nothing(up: Up) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        up.ports["--port"] = other.getsockname()[1]
        done = up.run(*up.arguments())
    assert done.returncode == 2
    assert done.stderr == (
        f"dispatcher: port {up.ports['--port']} on 127.0.0.1 is taken, and the API needs it;"
        " choose another with --port\n"
    )
    assert up.pids() == []
    assert not (up.data / "postgres").exists()


def _words(pid: int, of: str) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/{of}").read_bytes().split(b"\0")
    except OSError:
        return []


def _until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not after {seconds:.0f} s: {what}"
        time.sleep(0.2)
