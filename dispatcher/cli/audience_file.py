"""`dispatcher campaign import`: a CSV file, read into an audience while a bar shows how far it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn

from dispatcher.cli.options import AccountOf, AsJson, Data
from dispatcher.cli.output import console, print_json, say
from dispatcher.cli.session import meant_account, visit
from dispatcher.service import audiences, recipient_file
from dispatcher.service.audiences import Audience
from dispatcher.service.context import Context
from dispatcher.service.recipient_file import RecipientFile, Tell

_CHUNK = 1 << 18


def import_file(
    file: Annotated[Path, typer.Argument(metavar="CSV", help="Its first line names the columns.")],
    name: Annotated[str, typer.Option("--audience", metavar="LIST", help="What it is to be called.")],
    account: AccountOf = None,
    column: Annotated[str | None, typer.Option(help="The one with the numbers. Default: found out.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Default: found out.")] = None,
    separator: Annotated[str | None, typer.Option(help="Default: found out.")] = None,
    country: Annotated[
        str | None, typer.Option(metavar="CC", help="Whose national numbers. Default: the account's.")
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Read the recipients of a file into an audience; exit 1 if a line was left out."""

    async def story(ctx: Context) -> Audience:
        owner = await meant_account(ctx, account)
        how = {"column": column, "encoding": encoding, "separator": separator, "country": country}
        with opened(file, **how) as (source, tell):
            return await audiences.import_file(ctx, owner, name, source, tell=tell)

    made = visit(data, story)
    if as_json:
        kept = {"id": made.public_id, "name": made.name, "columns": list(made.columns), "rows": made.rows}
        print_json({**kept, "recipients": made.recipients, "rejects": made.rejects})
    else:
        say(sentence(made))
    if made.rejects:
        raise typer.Exit(1)


@contextmanager
def opened(
    file: Path,
    *,
    column: str | None = None,
    encoding: str | None = None,
    separator: str | None = None,
    country: str | None = None,
) -> Iterator[tuple[RecipientFile, Tell]]:
    """Open a file to be imported, and a bar on standard error, if that is a terminal. Raises OSError."""
    with file.open("rb") as source, _bar(file.stat().st_size) as tell:
        chunks = iter(lambda: source.read(_CHUNK), b"")
        yield (
            RecipientFile(chunks, column=column, encoding=encoding, separator=separator, country=country),
            tell,
        )


def sentence(made: Audience) -> str:
    """Say what became of the file."""
    left_out = f", {made.rejects:,} left out" if made.rejects else ""
    return f"audience {made.name}: {made.rows:,} lines{left_out}, {made.recipients:,} recipients"


@contextmanager
def _bar(size: int) -> Iterator[Tell]:
    out = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), DownloadColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        task = progress.add_task("reading", total=size)

        def tell(far: recipient_file.Progress) -> None:
            found = f"{far.recipients:,} recipients, {far.rejects:,} left out"
            progress.update(task, completed=far.bytes, description=found)

        yield tell
