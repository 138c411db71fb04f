"""Output of an import of recipients: a progress bar while it runs, tables at its end."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from dispatcher.cli.commands.campaigns.text_output import print_texts
from dispatcher.cli.console import console, print_json, print_line, print_note, print_table
from dispatcher.domain.campaigns.csv_rejects import FileFormat
from dispatcher.service.campaigns.audiences import Audience
from dispatcher.service.campaigns.estimate import Estimate
from dispatcher.service.campaigns.recipient_file import ImportProgress, ProgressHandler
from dispatcher.service.campaigns.text_survey import TextSummary


@contextmanager
def import_progress_bar(size: int) -> Iterator[ProgressHandler]:
    """Show how much of a file is read, on a terminal only; a size of 0 bytes means unknown."""
    out = console(stderr=True)
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Bar(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task("", total=size or None)

        def update(progress: ImportProgress) -> None:
            description = f"{progress.recipients:,} recipients, {progress.rejects:,} rejects"
            bar.update(task, completed=progress.bytes, description=description)

        yield update


def print_audience(
    found: Audience,
    *,
    account: str,
    rejects: Path | None,
    as_json: bool,
    texts: TextSummary | None = None,
) -> None:
    """Print an audience, the texts to it if there is one, and where its rejected lines are."""
    if as_json:
        print_json(audience_json(found) | ({} if texts is None else {"texts": asdict(texts)}))
        return
    print_line(f"audience {found.name} of {account} is {found.state}, id {found.public_id}")
    if found.file.encoding:
        print_line(read_as(found.file))
    rows = [("rows", found.rows), ("recipients", found.recipients), ("rejects", found.rejects)]
    zones = zip(found.zones, found.zone_counts, strict=True)
    rows += [(f"in {zone.replace(',', ', ')}", count) for zone, count in zones]
    print_table(("", "count"), rows, numbers=("count",))
    if found.columns:
        print_line(f"variables: {', '.join(found.columns)}")
    if texts is not None:
        print_texts(texts, of=found.recipients)
    if found.rejects:
        command = shlex.join(["dispatcher", "audience", "rejects", found.name, "--account", account])
        where = f"they are in {rejects}" if rejects else f"`{command}` writes them"
        lines = "1 line was" if found.rejects == 1 else f"{found.rejects:,} lines were"
        print_note(f"{lines} rejected: {where}")


def print_estimate(found: Estimate, *, priced: bool, rejects: Path | None, as_json: bool) -> None:
    """Print the result of a dry run; segments and cost only with a text (`priced`)."""
    total = found.total
    if as_json:
        print_json({**asdict(found), "total": asdict(total)})
        return
    print_line(read_as(FileFormat(found.encoding, found.separator, found.columns)))
    counts = ("rows", "valid", "invalid", "repeated", "opted_out", "unsendable")
    rows = [(name.replace("_", " "), getattr(found, name)) for name in counts]
    print_table(("", "count"), rows, numbers=("count",))
    shares = [*sorted(found.by_country.items()), ("all", total)]
    columns = ("country", "messages", *(("segments", "cost") if priced else ()))
    cells = [(country or "-", share.messages, share.segments, share.cost) for country, share in shares]
    print_table(columns, [row[: len(columns)] for row in cells], numbers=columns[1:])
    if found.texts is not None:
        print_texts(found.texts, of=total.messages)
    if found.rejects:
        where = f"they are in {rejects}" if rejects else "--rejects FILE writes them"
        print_note(f"{found.rejects:,} lines would get no message: {where}")


def audience_json(found: Audience) -> dict[str, object]:
    """Return an audience for JSON."""
    return {
        "id": found.public_id,
        "name": found.name,
        "state": found.state,
        "columns": found.columns,
        "encoding": found.file.encoding,
        "separator": found.file.separator,
        "rows": found.rows,
        "recipients": found.recipients,
        "rejects": found.rejects,
        "zones": dict(zip(found.zones, found.zone_counts, strict=True)),
        "created_at": found.created_at,
        "ready_at": found.ready_at,
    }


def read_as(file: FileFormat) -> str:
    """Return how a file was read."""
    return f"read as {file.encoding}, separated by {file.separator_word}"
