"""CSV files that commands write, for a spreadsheet to open."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def csv_output(output: Path | None) -> Iterator[Callable[[str], object]]:
    """
    Yield a function that writes lines to a file, else to standard output.

    A file begins with a byte order mark: without it, Excel reads letters
    beyond ASCII as others.
    """
    if output is None:
        yield _print
        return
    with output.open("w", encoding="utf-8-sig", newline="") as file:
        yield file.write


def _print(line: str) -> None:
    sys.stdout.write(line.removesuffix("\r\n") + "\n")
