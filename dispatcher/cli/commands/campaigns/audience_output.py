"""Output of an import of recipients: a progress bar while it runs, tables at its end."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from dispatcher.cli.console import console, print_json, print_line, print_note, print_table
from dispatcher.service.campaigns.audiences import Audience
from dispatcher.service.campaigns.estimate import Estimate
from dispatcher.service.campaigns.recipient_file import ImportProgress, ProgressHandler


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


def print_audience(found: Audience, *, account: str, rejects: Path | None, as_json: bool) -> None:
    """Print an audience, and where its rejected lines are."""
    if as_json:
        print_json(audience_json(found))
        return
    print_line(f"audience {found.name} of {account} is {found.state}, id {found.public_id}")
    rows = [("rows", found.rows), ("recipients", found.recipients), ("rejects", found.rejects)]
    zones = zip(found.zones, found.zone_counts, strict=True)
    rows += [(f"in {zone.replace(',', ', ')}", count) for zone, count in zones]
    print_table(("", "count"), rows, numbers=("count",))
    if found.columns:
        print_line(f"variables: {', '.join(found.columns)}")
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
    counts = ("rows", "valid", "invalid", "repeated", "opted_out", "incomplete", "unsendable")
    rows = [(name.replace("_", " "), getattr(found, name)) for name in counts]
    print_table(("", "count"), rows, numbers=("count",))
    shares = [*sorted(found.by_country.items()), ("all", total)]
    columns = ("country", "messages", *(("segments", "cost") if priced else ()))
    cells = [(country or "-", share.messages, share.segments, share.cost) for country, share in shares]
    print_table(columns, [row[: len(columns)] for row in cells], numbers=columns[1:])
    available = ", ".join(found.columns) or "none"
    for variable, count in found.missing.items():
        print_note(
            f"{count:,} recipients have no value for {variable}; the file has the columns: {available}"
        )
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
        "rows": found.rows,
        "recipients": found.recipients,
        "rejects": found.rejects,
        "zones": dict(zip(found.zones, found.zone_counts, strict=True)),
        "created_at": found.created_at,
        "ready_at": found.ready_at,
    }
