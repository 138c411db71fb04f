"""`dispatcher campaign text`: another text for a campaign that is not over."""

from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountOption
from dispatcher.cli.commands.campaigns.campaign_options import CampaignName
from dispatcher.cli.commands.messages.edit_output import RunOptions, run_edit
from dispatcher.cli.session import find_account
from dispatcher.cli.values import read_text
from dispatcher.domain.messages.edit import EditReport
from dispatcher.service.campaigns import edits
from dispatcher.service.context import Context


def change_text(
    name: CampaignName,
    *,
    account: AccountOption = None,
    new_text: Annotated[
        str | None,
        typer.Option("--text", help='The new text, with {{name}} for a column; "-" reads stdin.'),
    ] = None,
    template: Annotated[
        str | None, typer.Option("--template", metavar="ID", help="A template that has the new text.")
    ] = None,
    options: RunOptions,
) -> None:
    """Change the text of a campaign: of messages that wait, of recipients to come, and of later runs."""
    typed = None if new_text is None else read_text(new_text)

    async def work(ctx: Context, *, dry_run: bool) -> EditReport:
        owner = await find_account(ctx, account)
        return await edits.change_text(ctx, owner, name, text=typed, template_id=template, dry_run=dry_run)

    run_edit("given the new text", options, work)
