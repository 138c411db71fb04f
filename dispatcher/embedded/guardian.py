"""Clears away after a killed supervisor: what its parts had started and, if the kernel has not, the parts."""

import sys
from pathlib import Path

from dispatcher.embedded.ledger import Ledger
from dispatcher.embedded.processes import Mark


def main() -> None:
    """
    Wait until the supervisor's end of standard input closes, then stop what it has left.

    If the next supervisor is there already, it has done so itself, and the
    list is now its own.
    """
    folder, pid, started = sys.argv[1:]
    sys.stdin.read()
    Ledger(Path(folder)).stop_orphans(of=Mark(int(pid), started))


if __name__ == "__main__":
    main()
