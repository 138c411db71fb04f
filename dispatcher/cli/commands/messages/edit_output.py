"""How an edit runs at the command line: it counts first, asks, and prints what became of each message."""

from collections.abc import Coroutine, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any, Protocol

import typer

from dispatcher.cli.arguments import AsJson, Data
from dispatcher.cli.console import print_json, print_line
from dispatcher.cli.session import run_with_context
from dispatcher.domain.messages.edit import EditReport
from dispatcher.service.context import Context


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options that say how an edit runs."""

    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False
    as_json: AsJson = False
    data: Data = None


class Edit(Protocol):
    """An edit; with `dry_run` it only counts."""

    def __call__(self, ctx: Context, *, dry_run: bool) -> Coroutine[Any, Any, EditReport]: ...  # noqa: D102 - the class says it


def run_edit(done: str, options: RunOptions, work: Edit) -> None:
    """
    Count the messages, ask for confirmation, and change them. Exit 1 if nothing was changed.

    `done` says what happens to a message.
    """
    if options.dry_run or not options.yes:
        counted = run_with_context(options.data, partial(work, dry_run=True))
        if options.dry_run:
            _print(counted, done, options)
            return
        if _has_effect(counted):
            typer.confirm(f"To be {_summary(counted, done)}. Continue?", abort=True, err=True)
    edited = run_with_context(options.data, partial(work, dry_run=False))
    _print(edited, done, options)
    if not _has_effect(edited):
        raise typer.Exit(1)


def _has_effect(edited: EditReport) -> bool:
    return bool(edited.changed or edited.to_come or edited.next_run)


def _print(edited: EditReport, done: str, options: RunOptions) -> None:
    if options.as_json:
        counts = asdict(edited) | {"unchanged": sum(edited.unchanged.values()), "dry_run": options.dry_run}
        print_json(counts | {"reasons": dict(edited.unchanged)})
    else:
        print_line(f"{'to be ' * options.dry_run}{_summary(edited, done)}")


def _summary(edited: EditReport, done: str) -> str:
    return "; ".join(_parts(edited, done))


def _parts(edited: EditReport, done: str) -> Iterator[str]:
    yield f"{done}: {edited.changed:,}"
    if edited.to_come:
        yield f"to come with it: {edited.to_come:,}"
    if edited.too_late:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in edited.late.items())
        yield f"too late: {edited.too_late:,} ({kinds})"
    for reason, count in edited.unchanged.items():
        yield f"unchanged, {reason}: {count:,}"
    for reason, count in edited.left_out.items():
        yield f"left out, {reason}: {count:,}"
    if edited.not_reached:
        yield f"not reached, because they have no message yet: {edited.not_reached:,} recipients"
    if edited.refunded:
        yield f"credits refunded: {edited.refunded:,}"
    if edited.charged:
        yield f"credits {'charged' if edited.charged > 0 else 'refunded'}: {abs(edited.charged):,}"
    if edited.next_run:
        yield f"also from the next run on, {edited.next_run:%Y-%m-%d %H:%M} UTC"
