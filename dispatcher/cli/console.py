"""Output of commands: tables and lines for people, JSON for programs, colour on terminals only."""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console, JustifyMethod
from rich.table import Table

# All but a tab and a line feed; and what turns the order of letters, or ends a line elsewhere.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_PIPE_WIDTH = 1000  # a pipe has no width: nothing is wrapped or cut


def console(*, stderr: bool = False, soft_wrap: bool = True) -> Console:
    """
    Return a console on the current standard output or standard error.

    A display that is drawn again in place needs `soft_wrap=False`: it must not take more lines than it knows.
    """
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(
        stderr=stderr, width=width, highlight=False, markup=False, emoji=False, soft_wrap=soft_wrap
    )


def print_line(text: str) -> None:
    """Print one line of the result on standard output."""
    console().print(printable(text))


def print_note(text: str) -> None:
    """Print one remark on standard error."""
    console(stderr=True).print(printable(text))


def printable(text: str) -> str:
    """Return a text that controls no terminal: what handsets and providers write may have any character."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def own_command() -> str:
    """Return the shell words that start this program again from the present directory."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return f"{_shell_path(Path(sys.executable))} -m dispatcher.cli"
    found = shutil.which(started.name)
    if found is not None and Path(found).absolute() == started.absolute():
        return shlex.quote(started.name)
    return _shell_path(started)


def _shell_path(path: Path) -> str:
    """Return a path as a shell word, relative if it is below the present directory."""
    path = path.absolute()
    if not path.is_relative_to(Path.cwd()):
        return shlex.quote(str(path))
    below = path.relative_to(Path.cwd())
    return shlex.quote(str(below) if len(below.parts) > 1 else f"./{below}")


def build_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[str] = ()
) -> Table:
    """Return a table; the columns named in `numbers` are right-aligned, and only the last column wraps."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        justify: JustifyMethod = "right" if column in numbers else "left"
        made.add_column(column, justify=justify, no_wrap=column != columns[-1], overflow="fold")
    for row in rows:
        made.add_row(*(_text(cell) for cell in row))
    return made


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[str] = ()
) -> None:
    """Print a table as plain columns."""
    out = console()
    with out.capture() as captured:
        out.print(build_table(columns, rows, numbers=numbers), soft_wrap=False)
    lines = captured.get().splitlines()
    print("\n".join(line.rstrip() for line in lines))


def print_json(value: object) -> None:
    """Print JSON: times in ISO 8601, sets sorted, other values that JSON lacks as text."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=_as_json_value))


def format_time(at: datetime | None) -> str:
    """Return a time to the millisecond; "-" for None."""
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}"


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, datetime):
        return format_time(cell)
    return f"{cell:,}" if type(cell) is int else printable(str(cell))


def _as_json_value(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)
