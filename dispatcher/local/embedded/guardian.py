"""Cleans up after a killed supervisor: stops its processes and their children, unless the kernel has."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from dispatcher.local.embedded import processes
from dispatcher.local.embedded.process_list import ProcessList
from dispatcher.local.embedded.processes import ProcessHandle

_TIME = timedelta(seconds=1)


@contextlib.contextmanager
def guarded(data_dir: Path) -> Iterator[None]:
    """Run the guardian, which cleans up after a kill -9, because that closes its standard input."""
    handle = processes.find_handle(os.getpid())
    if handle is None:  # impossible: it is the current process
        raise RuntimeError("no entry for this process in the system's list")
    guardian = subprocess.Popen(  # noqa: S603
        [sys.executable, "-S", "-m", __name__, str(data_dir), str(handle.pid), handle.started],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        start_new_session=True,
    )
    try:
        yield
    finally:
        try:
            guardian.communicate(timeout=_TIME.total_seconds())
        except subprocess.TimeoutExpired:  # it is stopped, and all that it would clean up has ended
            guardian.kill()
            guardian.wait()


def main() -> None:
    """
    Wait until the supervisor closes standard input, then stop the processes that it left.

    If the next supervisor already runs, it has stopped them itself, and the
    list is now its own.
    """
    folder, pid, started = sys.argv[1:]
    sys.stdin.read()
    ProcessList(Path(folder)).stop_orphans(of=ProcessHandle(int(pid), started))


if __name__ == "__main__":
    main()
