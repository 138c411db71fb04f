"""`dispatcher optout`: numbers that must not be written to."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountName, After, AsJson, Data, Limit
from dispatcher.cli.commands.accounts.number_file import FileCounts, import_numbers
from dispatcher.cli.console import print_json, print_line, print_note, print_table
from dispatcher.cli.session import run_with_account
from dispatcher.domain.accounts.account import Account
from dispatcher.service.accounts import opt_outs
from dispatcher.service.context import Context

SenderName = Annotated[str | None, typer.Option("--sender", help="Of this sender only. Default: of all.")]
OptOutReason = Annotated[str, typer.Option(help="Why, for whoever looks at the list.")]


def add(app: typer.Typer) -> None:
    """Register the commands."""
    optout = typer.Typer(help="Numbers that must not be written to.", no_args_is_help=True)
    optout.command("add")(add_numbers)
    optout.command("list")(list_opt_outs)
    optout.command("remove")(remove)
    optout.command("import")(import_file)
    app.add_typer(optout, name="optout")


def add_numbers(
    name: AccountName,
    numbers: Annotated[list[str], typer.Argument(metavar="NUMBER...", help="Who.", show_default=False)],
    sender: SenderName = None,
    reason: OptOutReason = "",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Opt numbers out, all of them or none. What waits for its time is ended when its turn comes."""
    new = run_with_account(
        data,
        name,
        lambda ctx, account: opt_outs.add(ctx, account, numbers, sender=sender, reason=reason),
    )
    if as_json:
        print_json({"account": name, "numbers": len(numbers), "new": new})
    else:
        print_line(f"opted out of {name}: {len(numbers):,} given, {new:,} of them new")


def list_opt_outs(
    name: AccountName, limit: Limit = 100, after: After = 0, as_json: AsJson = False, data: Data = None
) -> None:
    """List who has opted out, the oldest first."""
    found = run_with_account(
        data, name, lambda ctx, account: opt_outs.page(ctx, account, after=after, limit=limit)
    )
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [(str(one.id), one.number, one.sender or "all", one.at, one.reason) for one in found]
    print_table(("id", "number", "sender", "since (UTC)", "reason"), rows, numbers=("id",))
    if len(found) == limit:
        print_note(f"There may be more: --after {found[-1].id}")


def remove(
    name: AccountName,
    number: Annotated[str, typer.Argument(help="Who.", show_default=False)],
    sender: SenderName = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Let a number be written to again."""
    run_with_account(data, name, lambda ctx, account: opt_outs.remove(ctx, account, number, sender=sender))
    if as_json:
        print_json({"account": name, "number": number, "removed": True})
    else:
        print_line(f"{number} is off the list of {name}")


def import_file(
    name: AccountName,
    file: Annotated[
        Path, typer.Argument(help="One number a line, or a CSV with the numbers first.", show_default=False)
    ],
    sender: SenderName = None,
    reason: OptOutReason = "",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Opt out all numbers of a file; exit 1 if a line was left out, and tell which."""

    async def story(ctx: Context, account: Account) -> FileCounts:
        async def put(numbers: Sequence[str]) -> int:
            return await opt_outs.add(ctx, account, numbers, sender=sender, reason=reason)

        return await import_numbers(file, put, tell=print_note)

    tally = run_with_account(data, name, story)
    if as_json:
        print_json({"account": name, **asdict(tally)})
    else:
        bad = f", {tally.bad:,} left out" if tally.bad else ""
        print_line(f"opted out of {name}: {tally.lines:,} lines{bad}, {tally.new:,} numbers new")
    if tally.bad:
        raise typer.Exit(1)
