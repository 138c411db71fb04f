"""Reads phone numbers from a file, one a line or in the first column of a CSV, in chunks of any long file."""

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
    """What became of a file: lines that are not empty, numbers that were new, lines that were left out."""

    lines: int = 0
    new: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True)
class FileLine:
    """The phone number at the start of a line, and the number of the line."""

    line_number: int
    number: str


async def import_numbers(file: Path, add: AddNumbers, *, report: Callable[[str], None]) -> FileCounts:
    """
    Pass all numbers of a file to `add`, and report each line for which it raises Invalid.

    `add` adds all numbers of a call or none, and returns how many were new.
    """
    counts = FileCounts()
    for lines in read_lines(file):
        counts.lines += len(lines)
        await _add(lines, add, report, counts)
    return counts


def read_lines(file: Path) -> Iterator[Sequence[FileLine]]:
    """Yield the numbers of a file in chunks, without empty lines and the header of a CSV."""
    with file.open(encoding="utf-8-sig", errors="replace") as source:
        lines = (
            FileLine(line_number, _first_column(line)) for line_number, line in enumerate(source, start=1)
        )
        wanted = (line for line in lines if line.number and not _is_header(line))
        while chunk := list(islice(wanted, CHUNK)):
            yield chunk


async def _add(
    lines: Sequence[FileLine], add: AddNumbers, report: Callable[[str], None], counts: FileCounts
) -> None:
    """Pass lines to `add`; halve a chunk with a bad line until that line is alone."""
    try:
        counts.new += await add([line.number for line in lines])
    except Invalid as error:
        if len(lines) == 1:
            counts.bad += 1
            report(f"line {lines[0].line_number}: {error}")
            return
        middle = len(lines) // 2
        await _add(lines[:middle], add, report, counts)
        await _add(lines[middle:], add, report, counts)


def _first_column(line: str) -> str:
    return _SEPARATOR.split(line, maxsplit=1)[0].strip().strip('"').strip()


def _is_header(line: FileLine) -> bool:
    return line.line_number == 1 and not any(character.isdigit() for character in line.number)
