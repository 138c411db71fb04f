"""
Lines of the CSV files that we write, which a spreadsheet opens without running anything.

A cell that a spreadsheet would read as a formula gets an apostrophe in front:
one that begins with =, +, -, @, a tab or a line end, also with blanks or
apostrophes before it. A phone number's "+" is guarded as well: without the
apostrophe a spreadsheet would shorten the number when it saves the file.
"""

import csv
import re
from collections.abc import Iterable

_FORMULA = re.compile("'*(?:[\t\r\n]|\\s*[=+\\-@＝＋－＠])")
_QUOTED = re.compile('[",;\t|\r\n]')


def guard(cell: str) -> str:
    """Return a cell that no spreadsheet reads as a formula; `unguard` reverses it."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguard(cell: str) -> str:
    """Return the cell that was guarded."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell, 1) else cell


def csv_line(cells: Iterable[str], separator: str = ",") -> str:
    """Return cells as a line of a file for people: guarded, and quoted if they have any separator."""
    return join_cells(map(guard, cells), separator) + "\r\n"


def join_cells(cells: Iterable[str], separator: str = ",") -> str:
    """Return cells as CSV for ourselves, as they are: `cells_of` reads them."""
    return separator.join(map(_quote, cells))


def cells_of(line: str, separator: str = ",") -> list[str]:
    """Return the cells of a line, as well as they can be read; quotes may be wrong."""
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])
    except csv.Error:
        return [line]


def _quote(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _QUOTED.search(cell) else cell
