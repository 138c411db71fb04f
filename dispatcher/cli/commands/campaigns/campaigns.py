"""`dispatcher campaign`: a text for an audience, planned, started, followed, stopped."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountOption, After, AsJson, Data, Limit
from dispatcher.cli.commands.campaigns.audience_file import FileOptions
from dispatcher.cli.commands.campaigns.audiences import import_file
from dispatcher.cli.commands.campaigns.campaign_options import OPTIONS, CampaignOptions
from dispatcher.cli.commands.campaigns.campaign_output import (
    campaign_json,
    describe_schedule,
    progress_bar,
    report_lines,
    run_json,
)
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
from dispatcher.service.context import Context

CampaignName = Annotated[str, typer.Argument(metavar="NAME", help="Its name or id.", show_default=False)]


def add(app: typer.Typer) -> None:
    """Register the commands."""
    campaign = typer.Typer(help="One text for many, once or again and again.", no_args_is_help=True)
    campaign.command("create")(with_option_groups(create))
    campaign.command("change")(with_option_groups(change))
    campaign.command("list")(list_campaigns)
    campaign.command("show")(show)
    campaign.command("start")(start)
    campaign.command("pause")(pause)
    campaign.command("resume")(resume)
    campaign.command("cancel")(cancel)
    campaign.command("import", help="The same as `audience import`.")(with_option_groups(import_file))
    app.add_typer(campaign, name="campaign")


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called.", show_default=False)],
    *,
    account: AccountOption = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="To whom: a file, read into --audience or NAME first."),
    ] = None,
    typed: CampaignOptions,
    begin: Annotated[bool, typer.Option("--start", help="Start it as well.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Plan a campaign: all that is wrong with it is told together, and then nothing is kept."""
    if typed.audience is None and csv is None:
        raise Invalid("to whom? Give --audience LIST, or --csv FILE")

    async def work(ctx: Context, owner: Account) -> CampaignRow:
        typed_fields = {"audience_id": "", **typed.fields(owner, now=ctx.now())}
        fields = {field: value for field, value in typed_fields.items() if value is not None}
        plan = CampaignPlan(name=name, **fields)  # type: ignore[arg-type]
        with renamed_faults(OPTIONS):
            made = await _created(ctx, owner, plan, csv, typed.audience or name)
            return await campaigns.start(ctx, owner, str(made.public_id)) if begin else made

    made, names = _visit(data, account, work)
    if as_json:
        print_json(campaign_json(made, names))
    else:
        print_line(
            f"campaign {made.terms.name} is {made.state}: {names.recipients:,} recipients, {describe_schedule(made)}"
        )
        if not begin:
            print_note(f"It waits: dispatcher campaign start {made.public_id}")


def change(
    name: CampaignName,
    *,
    account: AccountOption = None,
    new_name: Annotated[str | None, typer.Option("--name", help="What it is called from now on.")] = None,
    typed: CampaignOptions,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Change a draft. What is not named stays; the word `none` lifts what may be left out."""

    async def work(ctx: Context, owner: Account) -> CampaignRow:
        draft = await drafts.find(ctx, owner, name)
        at_its_wall = replace(owner, timezone=draft.terms.timezone)
        fields = typed.fields(at_its_wall, now=ctx.now()) | ({} if new_name is None else {"name": new_name})
        if not fields:
            raise Invalid("nothing to change: give at least one option")
        with renamed_faults({**OPTIONS, "name": "--name"}):
            return await drafts.change(ctx, owner, str(draft.public_id), fields)

    _tell(*_visit(data, account, work), as_json)


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
    limit: Annotated[int, typer.Option("--runs", min=1, max=1000, help="How many of its runs.")] = 3,
    following: Annotated[
        bool, typer.Option("--follow", help="Until its run is over; exit 1 if cut short.")
    ] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show a campaign: its plan, how far its runs are, when each will be through, and what limits it."""

    async def story(ctx: Context) -> tuple[CampaignReport, CampaignNames]:
        owner = await find_account(ctx, account)
        campaign = await drafts.find(ctx, owner, name)
        if following:
            with progress_bar() as tell:
                async for report in follow(ctx, owner, str(campaign.public_id)):
                    tell(report)
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
    """Let a draft run, at its time."""
    _act(name, account, campaigns.start, as_json, data)


def pause(
    name: CampaignName,
    account: AccountOption = None,
    reason: Annotated[str, typer.Option(help="Why, for whoever looks at it.")] = "",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Stop an active campaign where it is, within a second or two; nothing of it expires meanwhile."""
    _act(name, account, partial(campaigns.pause, reason=reason), as_json, data)


def resume(
    name: CampaignName, account: AccountOption = None, as_json: AsJson = False, data: Data = None
) -> None:
    """Let a paused campaign go on; all that is still to go out moves by as long as the pause was."""
    _act(name, account, campaigns.resume, as_json, data)


def cancel(
    name: CampaignName, account: AccountOption = None, as_json: AsJson = False, data: Data = None
) -> None:
    """End a campaign for good, and take back all of it that is not out, with its credits."""

    async def story(ctx: Context) -> tuple[CancelResult, CampaignNames]:
        owner = await find_account(ctx, account)
        campaign = await drafts.find(ctx, owner, name)
        ended = await campaigns.cancel(ctx, owner, str(campaign.public_id))
        return ended, (await drafts.names(ctx, [campaign]))[campaign.id]

    ended, names = run_with_context(data, story)
    if as_json:
        print_json({**campaign_json(ended.campaign, names), "withdrawn": ended.withdrawn, "out": ended.out})
    else:
        counts = f"{ended.withdrawn:,} messages taken back, {ended.out:,} are out or going out"
        print_line(f"campaign {ended.campaign.terms.name} is cancelled: {counts}")


async def _created(
    ctx: Context, owner: Account, plan: CampaignPlan, csv: Path | None, audience: str
) -> CampaignRow:
    if csv is None:
        return await drafts.create(ctx, owner, plan)
    with FileOptions().opened(csv) as (source, tell):
        made = await drafts.create_with_file(ctx, owner, plan, source, audience=audience, tell=tell)
    kept = await audiences.find(ctx, owner, audience)
    left_out = f", {kept.rejects:,} left out" if kept.rejects else ""
    print_note(f"audience {kept.name}: {kept.rows:,} lines{left_out}, {kept.recipients:,} recipients")
    return made


def _act(
    name: str,
    account: str | None,
    use_case: Callable[[Context, Account, str], Awaitable[CampaignRow]],
    as_json: bool,
    data: Path | None,
) -> None:
    async def work(ctx: Context, owner: Account) -> CampaignRow:
        found = await drafts.find(ctx, owner, name)
        return await use_case(ctx, owner, str(found.public_id))

    _tell(*_visit(data, account, work), as_json)


def _visit(
    data: Path | None, account: str | None, work: Callable[[Context, Account], Awaitable[CampaignRow]]
) -> tuple[CampaignRow, CampaignNames]:
    async def story(ctx: Context) -> tuple[CampaignRow, CampaignNames]:
        campaign = await work(ctx, await find_account(ctx, account))
        return campaign, (await drafts.names(ctx, [campaign]))[campaign.id]

    return run_with_context(data, story)


def _tell(campaign: CampaignRow, names: CampaignNames, as_json: bool) -> None:
    if as_json:
        print_json(campaign_json(campaign, names))
    else:
        print_line(f"campaign {campaign.terms.name} is {campaign.state}, {describe_schedule(campaign)}")
