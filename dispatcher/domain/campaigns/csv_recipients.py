"""
Recipients from a CSV file, read as a stream: each record becomes a recipient or an invalid row with a reason.

The encoding, the separator and the column with the numbers are detected
unless they are given. Memory is bounded whatever the file contains.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from dispatcher.domain.campaigns.csv_records import CsvRecord, decode, read_records
from dispatcher.domain.errors import Invalid

MAX_FIELD = 4_000  # characters
SEPARATORS = (",", ";", "\t", "|")
NUMBER_COLUMNS = ("to", "number", "phone", "msisdn", "mobile", "recipient")

_SHOWN = 100  # characters of a bad row
_QUOTED = re.compile(r'"[^"]*"?')


# NamedTuples because millions are created: a frozen dataclass takes twice as long.
class RecipientRow(NamedTuple):
    """One recipient: `line` is where it starts in the file, `variables` are the other columns."""

    line: int
    number: str  # as it is written, without surrounding spaces; not validated
    variables: Mapping[str, str]


class InvalidRow(NamedTuple):
    """A row that cannot be used; `raw` is the beginning of its text."""

    line: int
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class RecipientSheet:
    """A file whose header has been read. `rows` can be iterated once."""

    encoding: str
    separator: str
    columns: tuple[str, ...]
    number_column: str
    rows: Iterator[RecipientRow | InvalidRow]


def read_recipients(
    chunks: Iterable[bytes],
    *,
    encoding: str | None = None,
    separator: str | None = None,
    number_column: str | None = None,
) -> RecipientSheet:
    """
    Return a file, which comes in chunks of any size, with its header read and its rows read on demand.

    UTF-8 and UTF-16 are detected by their byte order mark. Without a mark the
    file is UTF-8 if its first 64 KiB are, else Windows-1252. Raises Invalid
    if the file has no usable header; a row never raises.
    """
    encoding, texts = decode(chunks, encoding)
    first = next(texts, "")
    if separator is None:
        separator = _separator_of(first)
    elif separator not in SEPARATORS:
        raise Invalid(f'"{separator}" is not a separator; choose one of , ; | or a tab')
    lines = read_records(chain((first,), texts), separator)
    header = next(lines, None)
    if header is None:
        raise Invalid("the file is empty; its first line must name the columns")
    columns = _columns(header)
    index = _number_index(columns, number_column)
    return RecipientSheet(encoding, separator, columns, columns[index], _rows(lines, columns, index))


def _separator_of(text: str) -> str:
    """Return the separator that is most frequent in the first line; a comma if none occurs."""
    header = _QUOTED.sub("", next(filter(str.strip, text.splitlines()), ""))
    return max(SEPARATORS, key=header.count)


def _columns(header: CsvRecord) -> tuple[str, ...]:
    if header.fault or (fault := _fault_of_text(header.raw)):
        raise Invalid(f"the header, line {header.line}, {header.fault or fault}")
    columns = tuple(name.strip() for name in header.fields)
    for position, name in enumerate(columns, start=1):
        if not name:
            raise Invalid(f"column {position} has no name; name it in line {header.line}, or delete it")
        if len(name) > _SHOWN:
            raise Invalid(
                f'the column name "{name[:_SHOWN]}…" is too long; it may have at most {_SHOWN} characters'
            )
        if name in columns[: position - 1]:
            raise Invalid(f'two columns are named "{name}"; rename one in line {header.line}')
    return columns


def _number_index(columns: Sequence[str], wanted: str | None) -> int:
    names = (wanted.strip().casefold(),) if wanted is not None else NUMBER_COLUMNS
    found = [index for index, name in enumerate(columns) if name.casefold() in names]
    if len(found) == 1:
        return found[0]
    names_found = ", ".join(f'"{columns[index]}"' for index in found or range(len(columns)))
    if found:
        raise Invalid(f"more than one column may contain the numbers: {names_found}; choose one")
    fault = (
        f'no column is named "{wanted}"' if wanted is not None else "no column seems to contain the numbers"
    )
    raise Invalid(
        f"{fault}; the header has {names_found}; name one of them {', '.join(NUMBER_COLUMNS)}, or choose one"
    )


def _rows(
    lines: Iterator[CsvRecord], columns: Sequence[str], index: int
) -> Iterator[RecipientRow | InvalidRow]:
    names = [*columns[:index], *columns[index + 1 :]]
    for line, raw, fields, fault in lines:
        if fault or (fault := _fault(raw, fields, columns)):
            yield InvalidRow(line, fault, _cut(raw))
            continue
        number = fields.pop(index).strip()
        if number:
            yield RecipientRow(line, number, dict(zip(names, fields, strict=True)))
        else:
            yield InvalidRow(line, f'has no number in column "{columns[index]}"', _cut(raw))


def _fault(raw: str, fields: Sequence[str], columns: Sequence[str]) -> str:
    """Return what is wrong with a row; "" if nothing is."""
    if fault := _fault_of_text(raw):
        return fault
    if len(fields) != len(columns):
        return f"has {len(fields)} fields, the header has {len(columns)}"
    if len(raw) > MAX_FIELD:
        for name, field in zip(columns, fields, strict=True):
            if len(field) > MAX_FIELD:
                return f'has {len(field)} characters in column "{name}"; at most {MAX_FIELD} are allowed'
    return ""


def _fault_of_text(raw: str) -> str:
    if "\0" in raw:
        return "has a NUL character; the file may be damaged or in another encoding"
    if "\N{REPLACEMENT CHARACTER}" in raw:
        return "has bytes that are not text in this encoding; save the file as UTF-8"
    return ""


def _cut(raw: str) -> str:
    line = raw.rstrip("\r\n")
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "…"
