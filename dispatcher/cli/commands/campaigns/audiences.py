"""`dispatcher audience`: lists of recipients, imported from a file."""

import csv
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountOption, After, AsJson, Data, Limit
from dispatcher.cli.commands.campaigns.audience_file import FileOptions
from dispatcher.cli.commands.campaigns.audience_output import audience_json, print_audience, print_estimate
from dispatcher.cli.console import print_json, print_line, print_note, print_table
from dispatcher.cli.option_groups import with_option_groups
from dispatcher.cli.session import find_account, run_with_context
from dispatcher.cli.values import read_text
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.errors import Invalid
from dispatcher.service.campaigns import audiences
from dispatcher.service.campaigns.audiences import Audience, Reject
from dispatcher.service.campaigns.estimate import Estimate, EstimateRequest, estimate
from dispatcher.service.context import Context

AudienceNameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The audience's name or id.", show_default=False)
]
RejectsFile = Annotated[
    Path | None,
    typer.Option("--rejects", metavar="FILE", help="Write the lines that became no recipient, and why."),
]


def add(app: typer.Typer) -> None:
    """Register the commands."""
    audience = typer.Typer(help="Lists of recipients for campaigns.", no_args_is_help=True)
    audience.command("import")(with_option_groups(import_file))
    audience.command("list")(list_audiences)
    audience.command("show")(show)
    audience.command("rejects")(rejects)
    audience.command("remove")(remove)
    app.add_typer(audience, name="audience")


def import_file(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A CSV whose first line names the columns.", show_default=False),
    ],
    *,
    account: AccountOption = None,
    name: Annotated[str | None, typer.Option(help="What it is called; a dry run needs no name.")] = None,
    sheet: FileOptions,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and keep nothing.")] = False,
    text: Annotated[
        str | None, typer.Option(help='Dry run: what would be sent; "-" reads standard input.')
    ] = None,
    template: Annotated[
        str | None, typer.Option(metavar="ID", help="Dry run: the same, as a template.")
    ] = None,
    sender: Annotated[str | None, typer.Option(help="Dry run: as whom. Default: the default sender.")] = None,
    rejects: RejectsFile = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Import the recipients of a file, or count with --dry-run what it holds and what it would cost."""
    wording = EstimateRequest(None if text is None else read_text(text), template, sender)
    if not dry_run and name is None:
        raise Invalid("give the audience a --name, or say --dry-run")
    if not dry_run and wording != EstimateRequest():
        raise Invalid("--text, --template and --sender belong to a --dry-run: say it, or leave them out")
    if name is None or dry_run:
        found = _estimate(data, account, file, sheet, wording, rejects=rejects)
        print_estimate(found, priced=wording.names_a_text, rejects=rejects, as_json=as_json)
    else:
        made, owner = _import(data, account, name, file, sheet, rejects=rejects)
        print_audience(made, account=owner.name, rejects=rejects, as_json=as_json)


def list_audiences(
    account: AccountOption = None,
    limit: Limit = 100,
    after: After = 0,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List an account's audiences, the oldest first."""

    async def story(ctx: Context) -> list[Audience]:
        owner = await find_account(ctx, account)
        return await audiences.page(ctx, owner, after=after, limit=limit)

    found = run_with_context(data, story)
    if as_json:
        print_json([audience_json(one) for one in found])
        return
    rows = [(one.id, one.name, one.state, one.recipients, one.rejects, one.created_at) for one in found]
    columns = ("id", "name", "state", "recipients", "rejects", "begun (UTC)")
    print_table(columns, rows, numbers=("id", "recipients", "rejects"))
    if len(found) == limit:
        print_note(f"There may be more: --after {found[-1].id}")


def show(
    name: AudienceNameArgument, account: AccountOption = None, as_json: AsJson = False, data: Data = None
) -> None:
    """Show an audience: its variables, and where its recipients are."""

    async def story(ctx: Context) -> tuple[Audience, Account]:
        owner = await find_account(ctx, account)
        return await audiences.find(ctx, owner, name), owner

    found, owner = run_with_context(data, story)
    print_audience(found, account=owner.name, rejects=None, as_json=as_json)


def rejects(
    name: AudienceNameArgument,
    account: AccountOption = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: standard output.")] = None,
    data: Data = None,
) -> None:
    """Write the lines of the file that became no recipient, and why, as a CSV file."""

    async def story(ctx: Context) -> None:
        found = await audiences.find(ctx, await find_account(ctx, account), name)
        await _write(output, audiences.rejects(ctx, found))

    run_with_context(data, story)


def remove(
    name: AudienceNameArgument, account: AccountOption = None, as_json: AsJson = False, data: Data = None
) -> None:
    """Delete an audience that no campaign has."""

    async def story(ctx: Context) -> Account:
        owner = await find_account(ctx, account)
        await audiences.remove(ctx, owner, name)
        return owner

    owner = run_with_context(data, story)
    if as_json:
        print_json({"account": owner.name, "audience": name, "removed": True})
    else:
        print_line(f"audience {name} of {owner.name} is removed")


def _import(
    data: Path | None, account: str | None, name: str, file: Path, sheet: FileOptions, *, rejects: Path | None
) -> tuple[Audience, Account]:
    async def story(ctx: Context) -> tuple[Audience, Account]:
        owner = await find_account(ctx, account)
        with sheet.opened(file) as (source, tell):
            made = await audiences.import_file(ctx, owner, name, source, tell=tell)
        if rejects is not None:
            await _write(rejects, audiences.rejects(ctx, made))
        return made, owner

    return run_with_context(data, story)


def _estimate(
    data: Path | None,
    account: str | None,
    file: Path,
    sheet: FileOptions,
    wording: EstimateRequest,
    *,
    rejects: Path | None,
) -> Estimate:
    async def story(ctx: Context) -> Estimate:
        owner = await find_account(ctx, account)
        with ExitStack() as stack:
            source, tell = stack.enter_context(sheet.opened(file))
            write = _writer(stack, rejects) if rejects is not None else lambda _: None
            return await estimate(ctx, owner, source, wording, tell=tell, rejected=write)

    return run_with_context(data, story)


async def _write(output: Path | None, found: AsyncIterator[Reject]) -> None:
    with ExitStack() as stack:
        write = _writer(stack, output)
        async for reject in found:
            write([reject])


def _writer(stack: ExitStack, output: Path | None) -> Callable[[Sequence[Reject]], None]:
    """Open the CSV file, or standard output, for as long as the stack lasts."""
    stream = sys.stdout
    if output is not None:
        stream = stack.enter_context(output.open("w", encoding="utf-8", newline=""))
    lines = csv.writer(stream, lineterminator="\r\n" if output else "\n")
    lines.writerow(Reject._fields)
    return lines.writerows
