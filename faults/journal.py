"""The journal: all that the clients asked and were answered, as JSON lines, written before it is sent."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Entry = Mapping[str, Any]


class Journal:
    """Appends entries to a file; each is on its way to the disk when `write` returns."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def write(self, kind: str, /, **fields: object) -> float:
        """Append an entry with the time, and return the time."""
        at = time.time()
        self._file.write(json.dumps({"kind": kind, "at": at, **fields}) + "\n")
        return at

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_journal(path: Path) -> Iterator[Entry]:
    """Yield the entries of a journal."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
