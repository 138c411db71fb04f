"""Cleans up after a killed supervisor: stops its processes and their children, unless the kernel has."""

import sys
from pathlib import Path

from dispatcher.local.embedded.process_list import ProcessList
from dispatcher.local.embedded.processes import ProcessHandle


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
