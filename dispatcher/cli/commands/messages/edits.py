"""`dispatcher message cancel`, `reschedule` and `text`: changing messages that have not been sent."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from dispatcher.cli.arguments import AsJson, Data
from dispatcher.cli.console import print_json, print_line
from dispatcher.cli.option_groups import with_option_groups
from dispatcher.cli.session import find_account, run_with_context
from dispatcher.cli.times import read_shift, read_time
from dispatcher.cli.values import read_id, read_text
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.messages.edit import (
    Cancel,
    Change,
    EditReport,
    NewText,
    Reschedule,
    Selection,
    TimeRange,
)
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.service.context import Context
from dispatcher.service.messages import edits, search


class OpenStatus(StrEnum):
    """The statuses of messages that can be changed."""

    SCHEDULED = "scheduled"
    PENDING = "pending"


TimeOption = Annotated[str | None, typer.Option(metavar="TIME", help="From then on, or before then.")]


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """The options that select messages."""

    message: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="One message: its number or public id.", show_default=False),
    ] = None
    batch: Annotated[str | None, typer.Option(metavar="ID", help="Those of a batch.")] = None
    campaign: Annotated[
        str | None, typer.Option(metavar="NAME", help="Those of a campaign's runs that are not over.")
    ] = None
    account: Annotated[
        str | None,
        typer.Option("--account", help="Whose; may be left out for an ID, a batch or an only account."),
    ] = None
    tier: Annotated[Tier | None, typer.Option(help="Those of this tier.")] = None
    status: Annotated[
        list[OpenStatus] | None, typer.Option(help="Those with this status; may be repeated.")
    ] = None
    number: Annotated[str | None, typer.Option(help="Those to this number.")] = None
    sender: Annotated[str | None, typer.Option(help="Those from this sender, by name or number.")] = None
    not_before_from: TimeOption = None
    not_before_to: TimeOption = None
    created_from: TimeOption = None
    created_to: TimeOption = None
    everything: Annotated[bool, typer.Option("--everything", help="All that is open in the account.")] = False


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options on how a command runs."""

    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False
    as_json: AsJson = False
    data: Data = None


def add(message: typer.Typer) -> None:
    """Register the commands."""
    message.command("cancel")(with_option_groups(cancel))
    message.command("reschedule")(with_option_groups(reschedule))
    message.command("text")(with_option_groups(text))


def cancel(
    wanted: SelectionOptions,
    manner: RunOptions,
) -> None:
    """Take messages back that have not gone out; their credits come back. Exit 1 if none was."""
    _edit("cancelled", wanted, manner, lambda *_: Cancel())


def reschedule(
    *,
    not_before: Annotated[str | None, typer.Option(metavar="TIME", help="The new start; also +2h.")] = None,
    not_after: Annotated[str | None, typer.Option(metavar="TIME", help="The new end; also +2h.")] = None,
    shift: Annotated[str | None, typer.Option(metavar="SHIFT", help="Later or earlier: +2h, -30m.")] = None,
    wanted: SelectionOptions,
    manner: RunOptions,
) -> None:
    """Give messages that have not gone out another window; an end not given stays. Exit 1 if none was."""

    def change(now: datetime, owner: Account) -> Reschedule:
        return Reschedule(
            not_before=_time(not_before, now, owner, "--not-before"),
            not_after=_time(not_after, now, owner, "--not-after"),
            shift=None if shift is None else read_shift(shift, option="--shift"),
        )

    _edit("rescheduled", wanted, manner, change)


def text(
    words: Annotated[
        str,
        typer.Option(
            "--text", help='What; "-" reads it. {{name}} is a campaign\'s variable.', show_default=False
        ),
    ],
    wanted: SelectionOptions,
    manner: RunOptions,
) -> None:
    """Give messages that have not gone out another text, at its price. Exit 1 if none was."""
    new = NewText(read_text(words))
    _edit("given another text", wanted, manner, lambda *_: new)


def _edit(
    done: str,
    wanted: SelectionOptions,
    manner: RunOptions,
    change: Callable[[datetime, Account], Change],
) -> None:
    """Count the messages, ask for confirmation, and change them."""

    def story(dry_run: bool) -> Callable[[Context], Awaitable[EditReport]]:
        async def run(ctx: Context) -> EditReport:
            owner = await _owner(ctx, wanted)
            selection = _selection(wanted, owner, ctx.now())
            return await edits.edit(ctx, selection, change(ctx.now(), owner), dry_run=dry_run)

        return run

    if manner.dry_run or not manner.yes:
        counted = run_with_context(manner.data, story(True))
        if manner.dry_run:
            _print(counted, done, manner)
            return
        if counted.changed:
            typer.confirm(f"To be {_sentence(counted, done)}. Go on?", abort=True, err=True)
    edited = run_with_context(manner.data, story(False))
    _print(edited, done, manner)
    if not edited.changed:
        raise typer.Exit(1)


async def _owner(ctx: Context, wanted: SelectionOptions) -> Account:
    name = wanted.account
    if name is None and wanted.message is not None:
        name = (await search.message(ctx, read_id(wanted.message))).account
    elif name is None and wanted.batch is not None:
        name = (await search.batch(ctx, read_id(wanted.batch))).account
    return await find_account(ctx, name)


def _selection(wanted: SelectionOptions, owner: Account, now: datetime) -> Selection:
    def between(option: str, start: str | None, end: str | None) -> TimeRange:
        return TimeRange(
            _time(start, now, owner, f"--{option}-from"), _time(end, now, owner, f"--{option}-to")
        )

    return Selection(
        account=owner,
        message=None if wanted.message is None else read_id(wanted.message),
        batch=None if wanted.batch is None else read_id(wanted.batch),
        campaign=wanted.campaign,
        tier=wanted.tier,
        statuses=frozenset(Status[status.name] for status in wanted.status) if wanted.status else None,
        number=wanted.number,
        sender=wanted.sender,
        due=between("not-before", wanted.not_before_from, wanted.not_before_to),
        created=between("created", wanted.created_from, wanted.created_to),
        everything=wanted.everything,
    )


def _time(given: str | None, now: datetime, owner: Account, option: str) -> datetime | None:
    return None if given is None else read_time(given, now=now, timezone=owner.timezone, option=option)


def _print(edited: EditReport, done: str, manner: RunOptions) -> None:
    if manner.as_json:
        counts = asdict(edited) | {"unchanged": sum(edited.unchanged.values()), "dry_run": manner.dry_run}
        print_json(counts | {"reasons": dict(edited.unchanged)})
    else:
        print_line(f"{'to be ' * manner.dry_run}{_sentence(edited, done)}")


def _sentence(edited: EditReport, done: str) -> str:
    told = [f"{done}: {edited.changed:,}"]
    if edited.too_late:
        told.append(f"too late: {edited.too_late:,}")
    told += [f"left, for {reason}: {count:,}" for reason, count in edited.unchanged.items()]
    if edited.refunded:
        told.append(f"credits given back: {edited.refunded:,}")
    if edited.charged:
        told.append(f"credits {'charged' if edited.charged > 0 else 'given back'}: {abs(edited.charged):,}")
    return "; ".join(told)
