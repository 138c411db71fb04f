"""The file of rejects: each row as it was, with its line and reason, to be corrected and imported again."""

from collections.abc import Sequence
from dataclasses import dataclass

from dispatcher.domain.campaigns.csv_cells import csv_line
from dispatcher.domain.campaigns.csv_header import REJECT_COLUMNS


@dataclass(frozen=True, slots=True)
class FileFormat:
    """
    How a file of recipients was read.

    `columns` are all that it has, in order, "" for one without a name. An
    audience that was imported by an earlier version has none, and no encoding.
    """

    encoding: str
    separator: str
    columns: Sequence[str]

    @property
    def separator_word(self) -> str:
        """The separator, for people."""
        return {"\t": "tab", ",": "comma", ";": "semicolon"}.get(self.separator, self.separator)


def reject_header(file: FileFormat) -> str:
    """Return the first line of the file of rejects of a file."""
    return _line((*REJECT_COLUMNS, *(file.columns or ("raw",))), file)


def reject_line(file: FileFormat, *, line: int, reason: str, fields: Sequence[str]) -> str:
    """Return the line of a reject; cells that a spreadsheet would run are guarded."""
    return _line((str(line), reason, *fields), file)


def _line(cells: Sequence[str], file: FileFormat) -> str:
    return csv_line(cells, file.separator or ",")
