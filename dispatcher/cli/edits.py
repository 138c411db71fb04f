"""`dispatcher message cancel`, `reschedule` and `text`: changing what has not gone out."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from dispatcher.cli.given import read_text
from dispatcher.cli.options import AsJson, Data
from dispatcher.cli.output import print_json, say
from dispatcher.cli.session import meant_account, visit
from dispatcher.cli.when import read_shift, read_time
from dispatcher.domain.edit import Between, Cancel, Change, Edited, NewText, Reschedule, Selection
from dispatcher.domain.errors import Invalid
from dispatcher.domain.status import Status
from dispatcher.domain.submission import Account
from dispatcher.domain.tier import Tier
from dispatcher.service import edits, search
from dispatcher.service.context import Context


class Open(StrEnum):
    """What can be changed, in words."""

    SCHEDULED = "scheduled"
    PENDING = "pending"


Message = Annotated[
    str | None, typer.Argument(metavar="ID", help="One message: its number or public id.", show_default=False)
]
Batch = Annotated[str | None, typer.Option(metavar="ID", help="Those of a batch.")]
Campaign = Annotated[
    str | None, typer.Option(metavar="NAME", help="Those of a campaign's runs that are not over.")
]
AccountOf = Annotated[
    str | None,
    typer.Option("--account", help="Whose; may be left out for an ID, a batch or an only account."),
]
OfTier = Annotated[Tier | None, typer.Option(help="Those of this tier.")]
OfStatus = Annotated[list[Open] | None, typer.Option(help="Those with this status; may be repeated.")]
To = Annotated[str | None, typer.Option(help="Those to this number.")]
From = Annotated[str | None, typer.Option(help="Those from this sender, by name or number.")]
Time = Annotated[str | None, typer.Option(metavar="TIME", help="From then on, or before then.")]
Everything = Annotated[bool, typer.Option("--everything", help="All that is open in the account.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count.")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A selection as it was typed."""

    message: str | None
    batch: str | None
    campaign: str | None
    account: str | None
    tier: Tier | None
    status: list[Open] | None
    number: str | None
    sender: str | None
    due: tuple[str | None, str | None]
    created: tuple[str | None, str | None]
    everything: bool


@dataclass(frozen=True, slots=True)
class Manner:
    """How a command goes about it: with which question, and what is printed."""

    done: str
    yes: bool
    dry_run: bool
    as_json: bool
    data: Path | None


def add(message: typer.Typer) -> None:
    """Register the commands."""
    message.command("cancel")(cancel)
    message.command("reschedule")(reschedule)
    message.command("text")(text)


def cancel(
    message: Message = None,
    batch: Batch = None,
    campaign: Campaign = None,
    account: AccountOf = None,
    tier: OfTier = None,
    status: OfStatus = None,
    number: To = None,
    sender: From = None,
    not_before_from: Time = None,
    not_before_to: Time = None,
    created_from: Time = None,
    created_to: Time = None,
    everything: Everything = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Take messages back that have not gone out; their credits come back. Exit 1 if none was."""
    due, created = (not_before_from, not_before_to), (created_from, created_to)
    wanted = Wanted(message, batch, campaign, account, tier, status, number, sender, due, created, everything)
    _edit(wanted, lambda *_: Cancel(), Manner("cancelled", yes, dry_run, as_json, data))


def reschedule(
    message: Message = None,
    not_before: Annotated[str | None, typer.Option(metavar="TIME", help="The new start; also +2h.")] = None,
    not_after: Annotated[str | None, typer.Option(metavar="TIME", help="The new end; also +2h.")] = None,
    shift: Annotated[str | None, typer.Option(metavar="SHIFT", help="Later or earlier: +2h, -30m.")] = None,
    batch: Batch = None,
    campaign: Campaign = None,
    account: AccountOf = None,
    tier: OfTier = None,
    status: OfStatus = None,
    number: To = None,
    sender: From = None,
    not_before_from: Time = None,
    not_before_to: Time = None,
    created_from: Time = None,
    created_to: Time = None,
    everything: Everything = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Give messages that have not gone out another window; an end not given stays. Exit 1 if none was."""
    due, created = (not_before_from, not_before_to), (created_from, created_to)
    wanted = Wanted(message, batch, campaign, account, tier, status, number, sender, due, created, everything)

    def change(now: datetime, owner: Account) -> Reschedule:
        return Reschedule(
            not_before=_time(not_before, now, owner, "--not-before"),
            not_after=_time(not_after, now, owner, "--not-after"),
            shift=None if shift is None else read_shift(shift, option="--shift"),
        )

    _edit(wanted, change, Manner("rescheduled", yes, dry_run, as_json, data))


def text(
    words: Annotated[
        str,
        typer.Option(
            "--text", help='What; "-" reads it. {{name}} is a campaign\'s variable.', show_default=False
        ),
    ],
    message: Message = None,
    batch: Batch = None,
    campaign: Campaign = None,
    account: AccountOf = None,
    tier: OfTier = None,
    status: OfStatus = None,
    number: To = None,
    sender: From = None,
    not_before_from: Time = None,
    not_before_to: Time = None,
    created_from: Time = None,
    created_to: Time = None,
    everything: Everything = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Give messages that have not gone out another text, at its price. Exit 1 if none was."""
    due, created = (not_before_from, not_before_to), (created_from, created_to)
    wanted = Wanted(message, batch, campaign, account, tier, status, number, sender, due, created, everything)
    new = NewText(read_text(words))
    _edit(wanted, lambda *_: new, Manner("given another text", yes, dry_run, as_json, data))


def _edit(wanted: Wanted, change: Callable[[datetime, Account], Change], manner: Manner) -> None:
    """Count, ask, and do it."""

    def story(dry_run: bool) -> Callable[[Context], Awaitable[Edited]]:
        async def run(ctx: Context) -> Edited:
            owner = await _owner(ctx, wanted)
            selection = _selection(wanted, owner, ctx.now())
            return await edits.edit(ctx, selection, change(ctx.now(), owner), dry_run=dry_run)

        return run

    if manner.dry_run or not manner.yes:
        counted = visit(manner.data, story(True))
        if manner.dry_run:
            _print(counted, manner)
            return
        if counted.changed:
            typer.confirm(f"To be {_sentence(counted, manner.done)}. Go on?", abort=True, err=True)
    edited = visit(manner.data, story(False))
    _print(edited, manner)
    if not edited.changed:
        raise typer.Exit(1)


async def _owner(ctx: Context, wanted: Wanted) -> Account:
    name = wanted.account
    if name is None and wanted.message is not None:
        name = (await search.message(ctx, _name(wanted.message))).account
    elif name is None and wanted.batch is not None:
        name = (await search.batch(ctx, _name(wanted.batch))).batch.account
    return await meant_account(ctx, name)


def _selection(wanted: Wanted, owner: Account, now: datetime) -> Selection:
    def between(option: str, times: tuple[str | None, str | None]) -> Between:
        start, end = times
        return Between(_time(start, now, owner, f"--{option}-from"), _time(end, now, owner, f"--{option}-to"))

    return Selection(
        account=owner,
        message=None if wanted.message is None else _name(wanted.message),
        batch=None if wanted.batch is None else _name(wanted.batch),
        campaign=wanted.campaign,
        tier=wanted.tier,
        statuses=frozenset(Status[status.name] for status in wanted.status) if wanted.status else None,
        number=wanted.number,
        sender=wanted.sender,
        due=between("not-before", wanted.due),
        created=between("created", wanted.created),
        everything=wanted.everything,
    )


def _name(given: str) -> int | UUID:
    if given.isascii() and given.isdigit() and len(given) < 19:
        return int(given)
    try:
        return UUID(given)
    except ValueError:
        raise Invalid(f"{given!r} is neither a number nor a public id") from None


def _time(given: str | None, now: datetime, owner: Account, option: str) -> datetime | None:
    return None if given is None else read_time(given, now=now, timezone=owner.timezone, option=option)


def _print(edited: Edited, manner: Manner) -> None:
    if manner.as_json:
        counts = asdict(edited) | {"unchanged": sum(edited.unchanged.values()), "dry_run": manner.dry_run}
        print_json(counts | {"reasons": dict(edited.unchanged)})
    else:
        say(f"{'to be ' * manner.dry_run}{_sentence(edited, manner.done)}")


def _sentence(edited: Edited, done: str) -> str:
    told = [f"{done}: {edited.changed:,}"]
    if edited.too_late:
        told.append(f"too late: {edited.too_late:,}")
    told += [f"left, for {reason}: {count:,}" for reason, count in edited.unchanged.items()]
    if edited.refunded:
        told.append(f"credits given back: {edited.refunded:,}")
    if edited.charged:
        told.append(f"credits {'charged' if edited.charged > 0 else 'given back'}: {abs(edited.charged):,}")
    return "; ".join(told)
