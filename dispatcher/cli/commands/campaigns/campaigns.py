"""`dispatcher campaign`: create, change, start, follow and stop campaigns."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountOption, After, AsJson, Data, Limit
from dispatcher.cli.commands.campaigns.audience_file import FileOptions
from dispatcher.cli.commands.campaigns.audience_output import read_as
from dispatcher.cli.commands.campaigns.audiences import import_file
from dispatcher.cli.commands.campaigns.campaign_options import OPTIONS, CampaignName, CampaignOptions
from dispatcher.cli.commands.campaigns.campaign_output import (
    campaign_json,
    describe_schedule,
    progress_bar,
    report_lines,
    run_json,
)
from dispatcher.cli.commands.campaigns.change_text import change_text
from dispatcher.cli.commands.campaigns.results import write_results
from dispatcher.cli.commands.campaigns.text_output import print_texts
from dispatcher.cli.console import print_json, print_line, print_note, print_table
from dispatcher.cli.option_groups import with_option_groups
from dispatcher.cli.session import find_account, run_with_context
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.campaigns.campaign import CampaignPlan, RunState
from dispatcher.domain.errors import Invalid
from dispatcher.service.campaigns import audiences, campaigns, drafts
from dispatcher.service.campaigns.campaigns import CampaignReport, CampaignRow, CancelResult
from dispatcher.service.campaigns.drafts import CampaignNames, renamed_faults
from dispatcher.service.campaigns.follow import follow
from dispatcher.service.campaigns.text_survey import TextSummary, survey_campaign
from dispatcher.service.context import Context


def register(app: typer.Typer) -> None:
    """Register the commands."""
    campaign = typer.Typer(help="One text for an audience, once or repeatedly.", no_args_is_help=True)
    campaign.command("create")(with_option_groups(create))
    campaign.command("change")(with_option_groups(change))
    campaign.command("text")(with_option_groups(change_text))
    campaign.command("list")(list_campaigns)
    campaign.command("show")(show)
    campaign.command("start")(start)
    campaign.command("pause")(pause)
    campaign.command("resume")(resume)
    campaign.command("cancel")(cancel)
    campaign.command("results")(write_results)
    campaign.command("import", help="The same as `audience import`.")(with_option_groups(import_file))
    app.add_typer(campaign, name="campaign")


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new campaign's name.", show_default=False)],
    *,
    account: AccountOption = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="A file of recipients, imported as --audience or NAME."),
    ] = None,
    typed: CampaignOptions,
    start_now: Annotated[bool, typer.Option("--start", help="Also start it.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Create a campaign as a draft. If anything is wrong, report all of it and store nothing."""
    if typed.audience is None and csv is None:
        raise Invalid("a campaign needs recipients: give --audience LIST or --csv FILE")

    async def work(ctx: Context, owner: Account) -> CampaignRow:
        typed_fields = {"audience_id": "", **typed.fields(owner, now=ctx.now())}
        fields = {field: value for field, value in typed_fields.items() if value is not None}
        plan = CampaignPlan(name=name, **fields)  # type: ignore[arg-type]
        with renamed_faults(OPTIONS):
            created = await _create(ctx, owner, plan, csv, typed.audience or name)
            return await campaigns.start(ctx, owner, str(created.public_id)) if start_now else created

    created, names, texts = _create_and_survey(data, account, work)
    if as_json:
        print_json(campaign_json(created, names) | {"texts": asdict(texts)})
    else:
        print_line(
            f"campaign {created.terms.name} is {created.state}: {names.recipients:,} recipients,"
            f" {describe_schedule(created)}"
        )
        print_texts(texts, of=names.recipients)
        if not start_now:
            print_note(f"Start it with: dispatcher campaign start {created.public_id}")


def change(
    name: CampaignName,
    *,
    account: AccountOption = None,
    new_name: Annotated[str | None, typer.Option("--name", help="Its new name.")] = None,
    typed: CampaignOptions,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Change a draft. What is not named stays; the word `none` clears an optional value."""

    async def work(ctx: Context, owner: Account) -> CampaignRow:
        draft = await drafts.find(ctx, owner, name)
        in_its_zone = replace(owner, timezone=draft.terms.timezone)
        fields = typed.fields(in_its_zone, now=ctx.now()) | ({} if new_name is None else {"name": new_name})
        if not fields:
            raise Invalid("nothing to change: give at least one option")
        with renamed_faults({**OPTIONS, "name": "--name"}):
            return await drafts.change(ctx, owner, str(draft.public_id), fields)

    _print(*_visit(data, account, work), as_json)


def list_campaigns(
    account: AccountOption = None,
    limit: Limit = 100,
    after: After = 0,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List an account's campaigns, the oldest first."""

    async def story(ctx: Context) -> list[tuple[CampaignRow, CampaignNames]]:
        owner = await find_account(ctx, account)
        found = await campaigns.page(ctx, owner, after=after, limit=limit)
        known = await drafts.names(ctx, found)
        return [(campaign, known[campaign.id]) for campaign in found]

    found = run_with_context(data, story)
    if as_json:
        print_json([campaign_json(campaign, names) for campaign, names in found])
        return
    rows = [
        (str(c.id), c.terms.name, c.state, names.recipients, c.next_due, describe_schedule(c))
        for c, names in found
    ]
    columns = ("id", "name", "state", "recipients", "next due (UTC)", "when")
    print_table(columns, rows, numbers=("id", "recipients"))
    if len(found) == limit:
        print_note(f"There may be more: --after {found[-1][0].id}")


def show(
    name: CampaignName,
    account: AccountOption = None,
    limit: Annotated[
        int, typer.Option("--runs", min=1, max=1000, help="How many of its latest runs to show.")
    ] = 3,
    following: Annotated[
        bool, typer.Option("--follow", help="Follow its run to the end; exit 1 if it was cut short.")
    ] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show a campaign: its plan, the progress of its runs, when each will end and what limits it."""

    async def story(ctx: Context) -> tuple[CampaignReport, CampaignNames]:
        owner = await find_account(ctx, account)
        campaign = await drafts.find(ctx, owner, name)
        if following:
            with progress_bar() as update:
                async for report in follow(ctx, owner, str(campaign.public_id)):
                    update(report)
        report = await campaigns.show(ctx, owner, str(campaign.public_id), limit=limit)
        return report, (await drafts.names(ctx, [campaign]))[campaign.id]

    report, names = run_with_context(data, story)
    if as_json:
        print_json(
            {**campaign_json(report.campaign, names), "runs": [run_json(found) for found in report.runs]}
        )
    else:
        for line in report_lines(report, names):
            print_line(line)
    if following and not (report.runs and report.runs[0].run.state is RunState.FINISHED):
        raise typer.Exit(1)


def start(
    name: CampaignName, account: AccountOption = None, as_json: AsJson = False, data: Data = None
) -> None:
    """Start a draft; it runs at its time."""
    _apply(name, account, campaigns.start, as_json, data)


def pause(
    name: CampaignName,
    account: AccountOption = None,
    reason: Annotated[str, typer.Option(help="The reason, shown with the campaign.")] = "",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Pause an active campaign within a second or two. Its messages do not expire meanwhile."""
    _apply(name, account, partial(campaigns.pause, reason=reason), as_json, data)


def resume(
    name: CampaignName, account: AccountOption = None, as_json: AsJson = False, data: Data = None
) -> None:
    """Resume a paused campaign; all messages still to be sent move by the length of the pause."""
    _apply(name, account, campaigns.resume, as_json, data)


def cancel(
    name: CampaignName, account: AccountOption = None, as_json: AsJson = False, data: Data = None
) -> None:
    """Cancel a campaign and its unsent messages, and refund their credits."""

    async def story(ctx: Context) -> tuple[CancelResult, CampaignNames]:
        owner = await find_account(ctx, account)
        campaign = await drafts.find(ctx, owner, name)
        ended = await campaigns.cancel(ctx, owner, str(campaign.public_id))
        return ended, (await drafts.names(ctx, [campaign]))[campaign.id]

    ended, names = run_with_context(data, story)
    if as_json:
        print_json(
            {**campaign_json(ended.campaign, names), "withdrawn": ended.withdrawn, "out": ended.too_late}
        )
    else:
        counts = f"{ended.withdrawn:,} messages withdrawn, {ended.too_late:,} sent or being sent"
        print_line(f"campaign {ended.campaign.terms.name} is cancelled: {counts}")


async def _create(
    ctx: Context, owner: Account, plan: CampaignPlan, csv: Path | None, audience: str
) -> CampaignRow:
    if csv is None:
        return await drafts.create(ctx, owner, plan)
    with FileOptions().opened(csv) as (source, report):
        created = await drafts.create_with_file(
            ctx, owner, plan, source, audience=audience, on_progress=report
        )
    kept = await audiences.find(ctx, owner, audience)
    left_out = f", {kept.rejects:,} left out" if kept.rejects else ""
    print_note(
        f"audience {kept.name}: {kept.rows:,} lines{left_out}, {kept.recipients:,} recipients,"
        f" {read_as(kept.file)}"
    )
    return created


def _apply(
    name: str,
    account: str | None,
    use_case: Callable[[Context, Account, str], Awaitable[CampaignRow]],
    as_json: bool,
    data: Path | None,
) -> None:
    async def work(ctx: Context, owner: Account) -> CampaignRow:
        found = await drafts.find(ctx, owner, name)
        return await use_case(ctx, owner, str(found.public_id))

    _print(*_visit(data, account, work), as_json)


def _create_and_survey(
    data: Path | None, account: str | None, work: Callable[[Context, Account], Awaitable[CampaignRow]]
) -> tuple[CampaignRow, CampaignNames, TextSummary]:
    async def story(ctx: Context) -> tuple[CampaignRow, CampaignNames, TextSummary]:
        made = await work(ctx, await find_account(ctx, account))
        return made, (await drafts.names(ctx, [made]))[made.id], await survey_campaign(ctx, made)

    return run_with_context(data, story)


def _visit(
    data: Path | None, account: str | None, work: Callable[[Context, Account], Awaitable[CampaignRow]]
) -> tuple[CampaignRow, CampaignNames]:
    async def story(ctx: Context) -> tuple[CampaignRow, CampaignNames]:
        campaign = await work(ctx, await find_account(ctx, account))
        return campaign, (await drafts.names(ctx, [campaign]))[campaign.id]

    return run_with_context(data, story)


def _print(campaign: CampaignRow, names: CampaignNames, as_json: bool) -> None:
    if as_json:
        print_json(campaign_json(campaign, names))
    else:
        print_line(f"campaign {campaign.terms.name} is {campaign.state}, {describe_schedule(campaign)}")
