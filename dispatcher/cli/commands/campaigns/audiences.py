"""`dispatcher audience`: lists of recipients, imported from a file."""

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountOption, After, AsJson, Data, Limit
from dispatcher.cli.commands.campaigns.audience_file import FileOptions
from dispatcher.cli.commands.campaigns.audience_output import audience_json, print_audience, print_estimate
from dispatcher.cli.commands.campaigns.csv_output import csv_output
from dispatcher.cli.console import print_json, print_line, print_note, print_table
from dispatcher.cli.option_groups import with_option_groups
from dispatcher.cli.session import find_account, run_with_context
from dispatcher.cli.values import read_text
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.campaigns.csv_rejects import FileFormat, reject_header, reject_line
from dispatcher.domain.errors import Invalid
from dispatcher.service.campaigns import audiences
from dispatcher.service.campaigns.audiences import Audience, Reject
from dispatcher.service.campaigns.estimate import Estimate, EstimateRequest, RejectHandler, estimate
from dispatcher.service.campaigns.text_survey import TextSummary, TextSurvey, text_of
from dispatcher.service.context import Context

AudienceNameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The audience's name or id.", show_default=False)
]
RejectsFile = Annotated[
    Path | None,
    typer.Option(
        "--rejects", metavar="FILE", help="Write the rejected lines to this file, each with a reason."
    ),
]


def register(app: typer.Typer) -> None:
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
        typer.Argument(
            metavar="FILE", help="A CSV file whose first line names the columns.", show_default=False
        ),
    ],
    *,
    account: AccountOption = None,
    name: Annotated[str | None, typer.Option(help="Name of the audience; a dry run needs none.")] = None,
    file_options: FileOptions,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count; store nothing.")] = False,
    text: Annotated[
        str | None,
        typer.Option(help='A text, to show how it will read; "-" reads standard input.'),
    ] = None,
    template: Annotated[str | None, typer.Option(metavar="ID", help="A template instead of a text.")] = None,
    sender: Annotated[
        str | None, typer.Option(help="Dry run: the sender. Default: the default sender.")
    ] = None,
    rejects: RejectsFile = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Import the recipients of a file; with --dry-run only count them and what a text would cost."""
    request = EstimateRequest(None if text is None else read_text(text), template, sender)
    if not dry_run and name is None:
        raise Invalid("an audience needs a --name; give audience, or use --dry-run")
    if not dry_run and sender is not None:
        raise Invalid("--sender needs --dry-run: add it, or leave it out")
    if name is None or dry_run:
        found = _estimate(data, account, file, file_options, request, rejects=rejects)
        print_estimate(found, priced=request.names_a_text, rejects=rejects, as_json=as_json)
    else:
        made, owner, texts = _import(data, account, name, file, file_options, request, rejects=rejects)
        print_audience(made, account=owner.name, rejects=rejects, as_json=as_json, texts=texts)


def list_audiences(
    account: AccountOption = None,
    limit: Limit = 100,
    after: After = 0,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List an account's audiences, the oldest first."""

    async def work(ctx: Context) -> list[Audience]:
        owner = await find_account(ctx, account)
        return await audiences.page(ctx, owner, after=after, limit=limit)

    found = run_with_context(data, work)
    if as_json:
        print_json([audience_json(audience) for audience in found])
        return
    rows = [
        (
            audience.id,
            audience.name,
            audience.state,
            audience.recipients,
            audience.rejects,
            audience.created_at,
        )
        for audience in found
    ]
    columns = ("id", "name", "state", "recipients", "rejects", "created (UTC)")
    print_table(columns, rows, numbers=("id", "recipients", "rejects"))
    if len(found) == limit:
        print_note(f"There may be more: --after {found[-1].id}")


def show(
    name: AudienceNameArgument, account: AccountOption = None, as_json: AsJson = False, data: Data = None
) -> None:
    """Show an audience with its variables and the time zones of its recipients."""

    async def work(ctx: Context) -> tuple[Audience, Account]:
        owner = await find_account(ctx, account)
        return await audiences.find(ctx, owner, name), owner

    found, owner = run_with_context(data, work)
    print_audience(found, account=owner.name, rejects=None, as_json=as_json)


def rejects(
    name: AudienceNameArgument,
    account: AccountOption = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: standard output.")] = None,
    data: Data = None,
) -> None:
    """Write the rejected rows of the file, each with its reason, to be corrected and imported again."""

    async def work(ctx: Context) -> None:
        found = await audiences.find(ctx, await find_account(ctx, account), name)
        await _write(output, audiences.reject_file(ctx, found))

    run_with_context(data, work)


def remove(
    name: AudienceNameArgument, account: AccountOption = None, as_json: AsJson = False, data: Data = None
) -> None:
    """Delete an audience that no campaign uses."""

    async def work(ctx: Context) -> Account:
        owner = await find_account(ctx, account)
        await audiences.remove(ctx, owner, name)
        return owner

    owner = run_with_context(data, work)
    if as_json:
        print_json({"account": owner.name, "audience": name, "removed": True})
    else:
        print_line(f"audience {name} of {owner.name} is removed")


def _import(
    data: Path | None,
    account: str | None,
    name: str,
    file: Path,
    file_options: FileOptions,
    request: EstimateRequest,
    *,
    rejects: Path | None,
) -> tuple[Audience, Account, TextSummary | None]:
    async def work(ctx: Context) -> tuple[Audience, Account, TextSummary | None]:
        owner = await find_account(ctx, account)
        text = await text_of(ctx, owner, text=request.text, template_id=request.template_id)
        survey = None if text is None else TextSurvey(ctx, text)
        with file_options.opened(file) as (source, report):
            made = await audiences.import_file(ctx, owner, name, source, survey=survey, on_progress=report)
        if rejects is not None:
            await _write(rejects, audiences.reject_file(ctx, made))
        return made, owner, None if survey is None else survey.summary

    return run_with_context(data, work)


def _estimate(
    data: Path | None,
    account: str | None,
    file: Path,
    file_options: FileOptions,
    request: EstimateRequest,
    *,
    rejects: Path | None,
) -> Estimate:
    async def work(ctx: Context) -> Estimate:
        owner = await find_account(ctx, account)
        with ExitStack() as stack:
            source, report = stack.enter_context(file_options.opened(file))
            write = _reject_writer(stack, rejects) if rejects is not None else lambda _, __: None
            return await estimate(ctx, owner, source, request, on_progress=report, on_rejects=write)

    return run_with_context(data, work)


async def _write(output: Path | None, lines: AsyncIterator[str]) -> None:
    with csv_output(output) as write:
        async for line in lines:
            write(line)


def _reject_writer(stack: ExitStack, output: Path) -> RejectHandler:
    """Return a function that writes the file of rejects: its header at the first call, and the rejects."""
    write = stack.enter_context(csv_output(output))
    begun = False

    def write_rejects(file: FileFormat, found: Sequence[Reject]) -> None:
        nonlocal begun
        if not begun:
            write(reject_header(file))
            begun = True
        for reject in found:
            write(reject_line(file, **reject._asdict()))

    return write_rejects
