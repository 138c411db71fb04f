"""`dispatcher optout`: numbers that get no messages of an account."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountName, After, AsJson, Data, Limit
from dispatcher.cli.commands.accounts.number_file import FileCounts, import_numbers
from dispatcher.cli.commands.campaigns.audience_file import FileOptions
from dispatcher.cli.console import print_json, print_line, print_note, print_table
from dispatcher.cli.option_groups import with_option_groups
from dispatcher.cli.session import run_with_account
from dispatcher.domain.accounts.account import Account
from dispatcher.service.accounts import opt_outs
from dispatcher.service.context import Context

SenderName = Annotated[str | None, typer.Option("--sender", help="Only for this sender. Default: for all.")]
OptOutReason = Annotated[str, typer.Option(help="The reason, shown in the list.")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    optout = typer.Typer(help="Numbers that get no messages of an account.", no_args_is_help=True)
    optout.command("add")(add_numbers)
    optout.command("list")(list_opt_outs)
    optout.command("remove")(remove)
    optout.command("import")(with_option_groups(import_file))
    app.add_typer(optout, name="optout")


def add_numbers(
    name: AccountName,
    numbers: Annotated[
        list[str], typer.Argument(metavar="NUMBER...", help="The numbers.", show_default=False)
    ],
    sender: SenderName = None,
    reason: OptOutReason = "",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Opt numbers out, all of them or none. Scheduled messages to them end when they are due."""
    new = run_with_account(
        data,
        name,
        lambda ctx, account: opt_outs.add(ctx, account, numbers, sender=sender, reason=reason),
    )
    if as_json:
        print_json({"account": name, "numbers": len(numbers), "new": new})
    else:
        print_line(f"opted out of {name}: {len(numbers):,} numbers, {new:,} of them new")


def list_opt_outs(
    name: AccountName, limit: Limit = 100, after: After = 0, as_json: AsJson = False, data: Data = None
) -> None:
    """List the numbers that have opted out, the oldest first."""
    found = run_with_account(
        data, name, lambda ctx, account: opt_outs.page(ctx, account, after=after, limit=limit)
    )
    if as_json:
        print_json([asdict(opt_out) for opt_out in found])
        return
    rows = [
        (str(opt_out.id), opt_out.number, opt_out.sender or "all", opt_out.at, opt_out.reason)
        for opt_out in found
    ]
    print_table(("id", "number", "sender", "since (UTC)", "reason"), rows, numbers=("id",))
    if len(found) == limit:
        print_note(f"There may be more: --after {found[-1].id}")


def remove(
    name: AccountName,
    number: Annotated[str, typer.Argument(help="The number.", show_default=False)],
    sender: SenderName = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Remove a number from the opt-outs."""
    run_with_account(data, name, lambda ctx, account: opt_outs.remove(ctx, account, number, sender=sender))
    if as_json:
        print_json({"account": name, "number": number, "removed": True})
    else:
        print_line(f"{number} is no longer opted out of {name}")


def import_file(
    name: AccountName,
    file: Annotated[
        Path,
        typer.Argument(
            help="One number per line, or a CSV file as `audience import` reads it.", show_default=False
        ),
    ],
    *,
    sender: SenderName = None,
    reason: OptOutReason = "",
    file_options: FileOptions,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Opt out all numbers of a file; report lines that are left out, and exit 1 if there are any."""

    async def work(ctx: Context, account: Account) -> FileCounts:
        async def add(numbers: Sequence[str]) -> int:
            return await opt_outs.add(ctx, account, numbers, sender=sender, reason=reason)

        with file_options.opened(file) as (source, _):
            return await import_numbers(ctx, account, source, add, report=print_note)

    counts = run_with_account(data, name, work)
    if as_json:
        print_json({"account": name, **asdict(counts)})
    else:
        bad = f", {counts.bad:,} left out" if counts.bad else ""
        print_line(f"opted out of {name}: {counts.lines:,} lines{bad}, {counts.new:,} numbers new")
    if counts.bad:
        raise typer.Exit(1)
