"""The first lines of a CSV file: the separator, the names of the columns, and the column with the numbers."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from dispatcher.domain.campaigns.csv_cells import unguard
from dispatcher.domain.campaigns.csv_records import CsvRecord, read_records
from dispatcher.domain.errors import Invalid
from dispatcher.domain.messages.template import fold_name, same_names

SEPARATORS = (",", ";", "\t", "|")
NUMBER_COLUMNS = ("to", "number", "phone", "msisdn", "mobile", "recipient")
REJECT_COLUMNS = ("reject_line", "reject_reason")
"""The columns that a file of rejects has besides those of its rows; an import ignores them."""

_MAX_COLUMNS = 1000
_LONGEST = 100  # characters of a name
_SAMPLE = 100  # rows in which numbers are looked for
_DATE = re.compile(r"\s*(\d{4}([-./])\d\d?\2\d\d?|\d\d?([-./])\d\d?\3\d{4})\s*")
_QUOTED = re.compile(r'"[^"]*"?')
# What Excel reads and writes in the first line.
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[^\r\n"]?)"?[,;|\t]*(?=[\r\n]|\Z)', re.IGNORECASE)
_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}

IsNumber = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class CsvHeader:
    """
    The columns of a file.

    `columns` has all names in their order, "" for a column without one.
    `number` is the index of the column with the numbers, `ignored` are those
    of the columns that a file of rejects has besides. Without `is_named`, the
    first line is a row and has the number at the same index.
    """

    columns: Sequence[str]
    number: int
    ignored: frozenset[int] = frozenset()
    is_named: bool = True

    @property
    def has_rejects(self) -> bool:
        """Whether the file is one of rejects, in which cells are guarded."""
        return bool(self.ignored)


def take_separator(text: str, wanted: str | None, column: str | None) -> tuple[str, str]:
    """Return the separator of a file, and its first block of text without the line that names it."""
    separator = None if wanted is None else _known(wanted)
    if found := _SEPARATOR_LINE.match(text):
        text = text[found.end() :]  # the line's end stays, so that lines are counted as in the file
        separator = separator or _known(found["separator"])
    return separator or _most_likely(text, column), text


def read_header(
    record: CsvRecord,
    column: str | None,
    sample: Callable[[], str],
    *,
    separator: str,
    is_number: IsNumber,
    may_be_missing: bool,
) -> CsvHeader:
    """
    Return the header in the first record of a file; `sample` returns the text of the first rows.

    With `may_be_missing`, the first record may be a row. Raises Invalid if no
    column, or more than one, may have the numbers.
    """
    columns = _names(record)
    ours = [fold_name(name) for name in REJECT_COLUMNS]
    keys = [fold_name(name) for name in columns]
    ignored = frozenset(map(keys.index, ours)) if set(ours) <= set(keys) else frozenset()
    names = (column,) if column is not None else NUMBER_COLUMNS
    wanted = set(map(fold_name, names)) - {""}
    found = [index for index, key in enumerate(keys) if key in wanted]
    if may_be_missing and not found and column is None and (digits := _first_digits(columns)) is not None:
        first = _first_number(columns, is_number)
        return CsvHeader([""] * len(columns), digits if first is None else first, is_named=False)
    if not found and column is None and (headless := _first_number(columns, is_number)) is not None:
        raise Invalid(
            f'line {record.line} has a phone number, "{columns[headless]}", where the names of the columns'
            ' belong; put a line above it that names them, such as "phone,name"'
        )
    if not found and column is None and may_be_missing and len([name for name in columns if name]) == 1:
        found = [index for index, name in enumerate(columns) if name]
    if len(found) != 1:
        rows = islice(read_records([sample()], separator), _SAMPLE)
        raise _unclear(columns, found, column, _number_columns(columns, rows, is_number))
    _check(columns, record.line)
    return CsvHeader([unguard(name) if ignored else name for name in columns], found[0], ignored)


def _known(separator: str) -> str:
    separator = _WORDS.get(separator.casefold(), separator)
    if separator not in SEPARATORS:
        raise Invalid(f'"{separator}" is not a separator; choose one of , ; | or a tab')
    return separator


def _most_likely(text: str, column: str | None) -> str:
    """Return the separator with which the header names a number column, else the most frequent one."""
    header = next(filter(str.strip, text.splitlines()), "")
    unquoted = _QUOTED.sub("", header)
    wanted = set(map(fold_name, NUMBER_COLUMNS if column is None else (column,)))

    def likelihood(separator: str) -> tuple[bool, int]:
        names = {fold_name(name.strip().strip('"')) for name in header.split(separator)}
        return bool(names & wanted) and separator in unquoted, unquoted.count(separator)

    return max(SEPARATORS, key=likelihood)


def _names(header: CsvRecord) -> list[str]:
    if fault := header.fault or fault_of_text(header.raw):
        raise Invalid(f"the header, line {header.line}, {fault}")
    return [name.strip() for name in header.fields]


def _check(columns: Sequence[str], line: int) -> None:
    named = [name for name in columns if name]
    if len(named) > _MAX_COLUMNS:
        raise Invalid(f"the file has {len(named)} columns; at most {_MAX_COLUMNS} are allowed")
    for name in named:
        if len(name) > _LONGEST:
            raise Invalid(
                f'the column name "{name[:_LONGEST]}…" is too long; it may have at most {_LONGEST} characters'
            )
    if (same := same_names(named)) is not None:
        one, other = same
        if one == other:
            raise Invalid(f'two columns are named "{one}"; rename one in line {line}')
        raise Invalid(
            f'the columns "{one}" and "{other}" have one name: case, blanks, hyphens and underscores make no'
            f" difference; rename one in line {line}"
        )


def _first_number(fields: Sequence[str], is_number: IsNumber) -> int | None:
    return next((index for index, field in enumerate(fields) if is_number(field)), None)


def _first_digits(fields: Sequence[str]) -> int | None:
    """Return the first field with digits and without letters: a wrong number, but not a name."""
    return next(
        (
            index
            for index, field in enumerate(fields)
            if any(map(str.isdigit, field)) and not any(map(str.isalpha, field))
        ),
        None,
    )


def _number_columns(columns: Sequence[str], rows: "islice[CsvRecord]", is_number: IsNumber) -> list[str]:
    """Return the columns of which nine tenths are numbers, in these rows."""
    fields = [row.fields for row in rows if any(map(str.strip, row.fields))]
    counts = [
        sum(len(row) > index and is_number(row[index]) and not _DATE.fullmatch(row[index]) for row in fields)
        for index in range(len(columns))
    ]
    return [
        name
        for name, count in zip(columns, counts, strict=True)
        if name and 0 < len(fields) * 9 <= count * 10
    ]


def _unclear(
    columns: Sequence[str], found: Sequence[int], wanted: str | None, likely: Sequence[str]
) -> Invalid:
    names = ", ".join(f'"{columns[index]}"' for index in found or range(len(columns)) if columns[index])
    hint = "".join(f'; "{name}" seems to have them: --column "{name}"' for name in likely)
    if found:
        return Invalid(f"more than one column may contain the numbers: {names}; choose one{hint}")
    fault = (
        f'no column is named "{wanted}"'
        if wanted is not None
        else "no column is known to contain the numbers"
    )
    choices = f"name one of them {', '.join(NUMBER_COLUMNS)}, or choose one"
    return Invalid(f"{fault}; the header has {names or 'no name'}{hint or f'; {choices}'}")


def fault_of_text(raw: str) -> str:
    """Return what is wrong with the characters of a record; "" if nothing is."""
    if "\0" in raw:
        return "has a NUL character; the file may be damaged or in another encoding"
    if "\N{REPLACEMENT CHARACTER}" in raw:
        return "has bytes that are not text in this encoding; correct the row, or save the file as UTF-8"
    return ""
