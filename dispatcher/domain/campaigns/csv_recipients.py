"""
Recipients from a CSV file, read as a stream: each record becomes a recipient or an invalid row with a reason.

The encoding, the separator and the column with the numbers are detected
unless they are given. Memory is bounded whatever the file contains.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from dispatcher.domain.campaigns.csv_cells import cells_of, unguard
from dispatcher.domain.campaigns.csv_encoding import decode
from dispatcher.domain.campaigns.csv_header import (
    NUMBER_COLUMNS,
    SEPARATORS,
    CsvHeader,
    IsNumber,
    fault_of_text,
    read_header,
    take_separator,
)
from dispatcher.domain.campaigns.csv_records import MAX_RECORD, CsvRecord, read_records
from dispatcher.domain.errors import Invalid

__all__ = [
    "MAX_FIELD",
    "NUMBER_COLUMNS",
    "SEPARATORS",
    "InvalidRow",
    "RecipientRow",
    "RecipientSheet",
    "read_recipients",
]

MAX_FIELD = 4_000  # characters


# NamedTuples because millions are created: a frozen dataclass takes twice as long.
class RecipientRow(NamedTuple):
    """
    One recipient: `line` is where it starts in the file, `variables` are the other columns.

    `fields` is the whole row, as it stands in the file.
    """

    line: int
    number: str  # as it is written, without surrounding spaces; not validated
    variables: Mapping[str, str]
    fields: Sequence[str] = ()


class InvalidRow(NamedTuple):
    """A row that cannot be used; `fields` is the whole row, as well as it could be read."""

    line: int
    reason: str
    fields: Sequence[str]


@dataclass(frozen=True, slots=True)
class RecipientSheet:
    """
    A file whose header has been read. `rows` can be iterated once.

    `columns` are those with a name, `file_columns` all whose cells a row's
    `fields` has, "" for one without a name.
    """

    encoding: str
    separator: str
    columns: tuple[str, ...]
    file_columns: tuple[str, ...]
    number_column: str
    rows: Iterator[RecipientRow | InvalidRow]


def read_recipients(
    chunks: Iterable[bytes],
    *,
    encoding: str | None = None,
    separator: str | None = None,
    number_column: str | None = None,
    is_number: IsNumber = lambda _: False,
    header_optional: bool = False,
) -> RecipientSheet:
    """
    Return a file, which comes in chunks of any size, with its header read and its rows read on demand.

    UTF-8, UTF-16 and UTF-32 are detected by their byte order mark. Without a
    mark the file is UTF-8 if its first 64 KiB are, but for a few bytes, else
    Windows-1252. `is_number` finds the numbers of a file whose header does not
    name their column. Raises Invalid if the file has no usable header, unless
    it is optional; a row never raises.
    """
    encoding, texts = decode(chunks, encoding)
    separator, first = take_separator(next(texts, ""), separator, number_column)
    records = read_records(chain((first,), texts), separator)
    lines: Iterator[CsvRecord] = filter(_has_content, records)
    record = next(lines, None)
    if record is None:
        raise Invalid("the file is empty; its first line must name the columns")
    header = read_header(
        record,
        number_column,
        lambda: first[first.find(record.raw) + len(record.raw) :],
        separator=separator,
        is_number=is_number,
        may_be_missing=header_optional,
    )
    if not header.is_named:
        lines = chain((record,), lines)
    kept = [name for index, name in enumerate(header.columns) if index not in header.ignored]
    return RecipientSheet(
        encoding,
        separator,
        tuple(filter(None, kept)),
        tuple(kept),
        header.columns[header.number],
        _rows(lines, header, separator),
    )


def _has_content(record: CsvRecord) -> bool:
    """Whether a record has anything but empty cells, such as a spreadsheet writes below its table."""
    return bool(record.fault) or any(map(str.strip, record.fields))


def _rows(
    records: Iterator[CsvRecord], header: CsvHeader, separator: str
) -> Iterator[RecipientRow | InvalidRow]:
    columns, width = header.columns, len(header.columns)
    others = [(index, name) for index, name in enumerate(columns) if index != header.number]
    named = [(index, name) for index, name in others if name and index not in header.ignored]
    nameless = [index for index, name in others if not name] if header.is_named else []
    for line, raw, fields, fault in records:
        if header.has_rejects:
            fields[:] = map(unguard, fields)
        if len(fields) < width:  # a spreadsheet leaves out the separators of empty cells at the end
            fields.extend([""] * (width - len(fields)))
        fault = fault or _fault(raw, fields, columns, nameless, is_named=header.is_named)
        own = (
            [field for index, field in enumerate(fields) if index not in header.ignored]
            if header.ignored
            else fields
        )
        if fault:
            yield InvalidRow(line, fault, own if not _is_unread(own) else _unread(raw, header, separator))
            continue
        number = fields[header.number].strip()
        if number:
            yield RecipientRow(line, number, {name: fields[index] for index, name in named}, own)
        else:
            yield InvalidRow(line, f'has no number in column "{columns[header.number]}"', own)


def _is_unread(fields: Sequence[str]) -> bool:
    return not any(fields)


def _unread(raw: str, header: CsvHeader, separator: str) -> Sequence[str]:
    """Return the cells of a record that could not be read, as well as they can be."""
    cells = cells_of(raw[:MAX_RECORD], separator)
    return [unguard(cell) for index, cell in enumerate(cells) if index not in header.ignored]


def _fault(
    raw: str, fields: Sequence[str], columns: Sequence[str], nameless: Sequence[int], *, is_named: bool
) -> str:
    """Return what is wrong with a row; "" if nothing is."""
    if fault := fault_of_text(raw):
        return fault
    if len(fields) > len(columns) and is_named and any(map(str.strip, fields[len(columns) :])):
        return f"has {len(fields)} fields, the header has {len(columns)}"
    for index in nameless:
        if value := fields[index].strip():
            return f'has "{value[:20]}" in column {index + 1}, which has no name'
    if len(raw) > MAX_FIELD:
        for name, field in zip(columns, fields, strict=False):
            if len(field) > MAX_FIELD:
                return f'has {len(field)} characters in column "{name}"; at most {MAX_FIELD} are allowed'
    return ""
