"""Small managed processes and supervisors for these tests."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from dispatcher.local.embedded import child, processes
from dispatcher.local.embedded.child import Identity
from dispatcher.local.embedded.managed_process import ManagedProcess

ROOT = Path(__file__).parents[3]
UP = Path(__file__).with_name("up.py")
NOBODY = 65534
SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


def sleeper(
    name: str, *, argv: tuple[str, ...] = SLEEP, ready: Callable[[], bool] | None = None
) -> ManagedProcess:
    return ManagedProcess(name=name, argv=argv, ready=ready, stop_timeout=timedelta(seconds=2))


def script(name: str, code: str) -> ManagedProcess:
    return sleeper(name, argv=(sys.executable, "-uc", code))


def eventually(condition: Callable[[], bool], *, within: timedelta = timedelta(seconds=5)) -> bool:
    return processes.wait_until(condition, timeout=within)


def is_gone(pid: int) -> bool:
    return processes.find_handle(pid) is None


def environment() -> Mapping[str, str]:
    """Return an environment in which any interpreter of this version finds this checkout and its packages."""
    packages = Path(psycopg.__file__).parents[1]
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{packages}"}


@dataclass(frozen=True, slots=True)
class Up:
    """A running `up.py` and the URLs it printed when it was ready."""

    process: subprocess.Popen[str]
    urls: Mapping[str, str]
    pids: Mapping[str, int]


@contextmanager
def up(data_dir: Path, *what: str, uid: int | None = None, python: str = sys.executable) -> Iterator[Up]:
    """Run `up.py` until the end of the block; a test may read its output after the first line."""
    process = subprocess.Popen(
        [python, str(UP), str(data_dir), *what],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
        cwd="/",
    )
    try:
        assert process.stdout is not None
        urls = json.loads(process.stdout.readline() or '{"pids": {}}')
        yield Up(process, urls, urls.pop("pids"))
    finally:
        process.terminate()
        process.communicate(timeout=30)


@contextmanager
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that no supervisor has started."""
    with subprocess.Popen(SLEEP, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def interpreter_for(uid: int) -> str:
    """Return an interpreter that this user can run with our packages; skip the test if there is none."""
    name = f"python3.{sys.version_info.minor}"
    for python in (sys.executable, shutil.which(name, path="/usr/local/bin:/usr/bin")):
        if python is not None and _runs(python, uid):
            return python
    pytest.skip(f"uid {uid} can run no {name}")


def _runs(python: str, uid: int) -> bool:
    try:
        check = [python, "-c", "import psycopg"]
        result = subprocess.run(
            check, env=environment(), user=uid, group=uid, extra_groups=[], cwd="/", capture_output=True
        )
    except PermissionError:
        return False
    return result.returncode == 0


def needs(identity: Identity) -> None:
    """Skip the test if this identity cannot be used here."""
    if subprocess.run(child.probe(["/"], identity=identity), capture_output=True).returncode != 0:
        pytest.skip(f"identity {identity} cannot be used here")
