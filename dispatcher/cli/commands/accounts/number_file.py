"""Numbers from a file: one a line or in the first column of a CSV, in chunks, however long the file is."""

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dispatcher.domain.errors import Invalid

CHUNK = 1000

_SEPARATOR = re.compile("[,;\t]")

AddNumbers = Callable[[Sequence[str]], Awaitable[int]]


@dataclass(slots=True)
class FileCounts:
    """The result of a file: lines that are not empty, numbers that were new, lines that were left out."""

    lines: int = 0
    new: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True)
class FileLine:
    """The number at the beginning of a line, and which line it is."""

    place: int
    number: str


async def import_numbers(file: Path, put: AddNumbers, *, tell: Callable[[str], None]) -> FileCounts:
    """
    Pass all numbers of a file to `put`, and report each line for which it raises Invalid.

    `put` takes all numbers of a call or none, and returns how many were new.
    """
    tally = FileCounts()
    for lines in read_lines(file):
        tally.lines += len(lines)
        await _take(lines, put, tell, tally)
    return tally


def read_lines(file: Path) -> Iterator[Sequence[FileLine]]:
    """Yield the beginnings of lines in chunks, without empty lines and a CSV's heading."""
    with file.open(encoding="utf-8-sig", errors="replace") as source:
        lines = (FileLine(place, _first(line)) for place, line in enumerate(source, start=1))
        wanted = (line for line in lines if line.number and not _is_heading(line))
        while chunk := list(islice(wanted, CHUNK)):
            yield chunk


async def _take(
    lines: Sequence[FileLine], put: AddNumbers, tell: Callable[[str], None], tally: FileCounts
) -> None:
    """Pass lines to `put`; halve a chunk with a bad line until that line is alone."""
    try:
        tally.new += await put([line.number for line in lines])
    except Invalid as error:
        if len(lines) == 1:
            tally.bad += 1
            tell(f"line {lines[0].place}: {error}")
            return
        middle = len(lines) // 2
        await _take(lines[:middle], put, tell, tally)
        await _take(lines[middle:], put, tell, tally)


def _first(line: str) -> str:
    return _SEPARATOR.split(line, maxsplit=1)[0].strip().strip('"').strip()


def _is_heading(line: FileLine) -> bool:
    return line.place == 1 and not any(character.isdigit() for character in line.number)
