"""`dispatcher message cancel`, `reschedule` and `text`: changing messages that have not been sent."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from dispatcher.cli.commands.messages.edit_output import RunOptions, run_edit
from dispatcher.cli.option_groups import with_option_groups
from dispatcher.cli.session import find_account
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
from dispatcher.service.campaigns import edits
from dispatcher.service.context import Context
from dispatcher.service.messages import search


class OpenStatus(StrEnum):
    """The statuses of messages that can be changed."""

    SCHEDULED = "scheduled"
    PENDING = "pending"


FromOption = Annotated[str | None, typer.Option(metavar="TIME", help="At this time or later.")]
ToOption = Annotated[str | None, typer.Option(metavar="TIME", help="Before this time.")]


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """The options that select messages; a message must match all that are given."""

    message: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="One message: its number or public id.", show_default=False),
    ] = None
    batch: Annotated[str | None, typer.Option(metavar="ID", help="Messages of this batch.")] = None
    campaign: Annotated[
        str | None, typer.Option(metavar="NAME", help="Messages of this campaign's open runs.")
    ] = None
    account: Annotated[
        str | None,
        typer.Option(
            "--account", help="The account; needed only without an ID or batch, if there are several."
        ),
    ] = None
    tier: Annotated[Tier | None, typer.Option(help="Messages of this tier.")] = None
    status: Annotated[
        list[OpenStatus] | None, typer.Option(help="Messages with this status; may be repeated.")
    ] = None
    number: Annotated[str | None, typer.Option(help="Messages to this number.")] = None
    sender: Annotated[str | None, typer.Option(help="Messages from this sender, by name or number.")] = None
    not_before_from: FromOption = None
    not_before_to: ToOption = None
    created_from: FromOption = None
    created_to: ToOption = None
    everything: Annotated[bool, typer.Option("--everything", help="All open messages of the account.")] = (
        False
    )


def register(message: typer.Typer) -> None:
    """Register the commands."""
    message.command("cancel")(with_option_groups(cancel))
    message.command("reschedule")(with_option_groups(reschedule))
    message.command("text")(with_option_groups(text))


def cancel(
    selected: SelectionOptions,
    options: RunOptions,
) -> None:
    """Cancel messages that have not been sent, and refund their credits. Exit 1 if none was cancelled."""
    _edit("cancelled", selected, options, lambda *_: Cancel())


def reschedule(
    *,
    not_before: Annotated[str | None, typer.Option(metavar="TIME", help="The new start; also +2h.")] = None,
    not_after: Annotated[str | None, typer.Option(metavar="TIME", help="The new end; also +2h.")] = None,
    shift: Annotated[str | None, typer.Option(metavar="SHIFT", help="Move the window: +2h, -30m.")] = None,
    selected: SelectionOptions,
    options: RunOptions,
) -> None:
    """Change the window of messages that have not been sent. Exit 1 if none was rescheduled."""

    def change(now: datetime, owner: Account) -> Reschedule:
        return Reschedule(
            not_before=_time(not_before, now, owner, "--not-before"),
            not_after=_time(not_after, now, owner, "--not-after"),
            shift=None if shift is None else read_shift(shift, option="--shift"),
        )

    _edit("rescheduled", selected, options, change)


def text(
    new_text: Annotated[
        str,
        typer.Option(
            "--text",
            help='The new text, with {{name}} for a campaign variable; "-" reads standard input.',
            show_default=False,
        ),
    ],
    selected: SelectionOptions,
    options: RunOptions,
) -> None:
    """
    Replace the text of messages that have not been sent, at its price. Exit 1 if none was changed.

    With --campaign alone, or the batch of its run, it is the text of the whole campaign.
    """
    new = NewText(read_text(new_text))
    _edit("given a new text", selected, options, lambda *_: new)


def _edit(
    done: str,
    selected: SelectionOptions,
    options: RunOptions,
    change: Callable[[datetime, Account], Change],
) -> None:
    async def work(ctx: Context, *, dry_run: bool) -> EditReport:
        owner = await _owner(ctx, selected)
        selection = _selection(selected, owner, ctx.now())
        return await edits.edit(ctx, selection, change(ctx.now(), owner), dry_run=dry_run)

    run_edit(done, options, work)


async def _owner(ctx: Context, selected: SelectionOptions) -> Account:
    name = selected.account
    if name is None and selected.message is not None:
        name = (await search.message(ctx, read_id(selected.message))).account
    elif name is None and selected.batch is not None:
        name = (await search.batch(ctx, read_id(selected.batch))).account
    return await find_account(ctx, name)


def _selection(selected: SelectionOptions, owner: Account, now: datetime) -> Selection:
    def between(option: str, start: str | None, end: str | None) -> TimeRange:
        return TimeRange(
            _time(start, now, owner, f"--{option}-from"), _time(end, now, owner, f"--{option}-to")
        )

    return Selection(
        account=owner,
        message=None if selected.message is None else read_id(selected.message),
        batch=None if selected.batch is None else read_id(selected.batch),
        campaign=selected.campaign,
        tier=selected.tier,
        statuses=frozenset(Status[status.name] for status in selected.status) if selected.status else None,
        number=selected.number,
        sender=selected.sender,
        due=between("not-before", selected.not_before_from, selected.not_before_to),
        created=between("created", selected.created_from, selected.created_to),
        everything=selected.everything,
    )


def _time(typed: str | None, now: datetime, owner: Account, option: str) -> datetime | None:
    return None if typed is None else read_time(typed, now=now, timezone=owner.timezone, option=option)
