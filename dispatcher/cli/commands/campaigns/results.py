"""`dispatcher campaign results`: what became of each recipient, as a CSV file."""

from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountOption, Data
from dispatcher.cli.commands.campaigns.campaign_options import CampaignName
from dispatcher.cli.commands.campaigns.csv_output import csv_output
from dispatcher.cli.console import print_note
from dispatcher.cli.session import find_account, run_with_context
from dispatcher.service.campaigns import drafts
from dispatcher.service.campaigns.results import result_file
from dispatcher.service.context import Context


def write_results(
    name: CampaignName,
    account: AccountOption = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: standard output.")] = None,
    data: Data = None,
) -> None:
    """Write what became of each recipient, when, its segments and its price, as CSV."""

    async def work(ctx: Context) -> int:
        campaign = await drafts.find(ctx, await find_account(ctx, account), name)
        count = -1  # the header
        with csv_output(output) as write:
            async for line in result_file(ctx, campaign):
                write(line)
                count += 1
        return count

    count = run_with_context(data, work)
    if output is not None:
        print_note(f"{count:,} results are in {output}")
