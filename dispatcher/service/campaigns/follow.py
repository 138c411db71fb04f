"""Following a campaign: reports on its progress until its run is over."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.campaigns.campaign import CampaignState
from dispatcher.domain.errors import Conflict
from dispatcher.service.campaigns import campaigns
from dispatcher.service.campaigns.progress import CampaignReport
from dispatcher.service.context import Context

_EVERY = timedelta(seconds=1)


async def follow(
    ctx: Context, account: Account, public_id: str, *, every: timedelta = _EVERY
) -> AsyncIterator[CampaignReport]:
    """
    Yield reports on a campaign and its latest run until the run is over; the last report has the result.

    Without an open run it waits for the next one; the caller limits how long.
    Raises NotFound, and Conflict for a draft, which never runs.
    """
    report = await campaigns.show(ctx, account, public_id, limit=1)
    if report.campaign.state is CampaignState.DRAFT:
        raise Conflict(f"campaign {report.campaign.terms.name!r} is a draft: start it first")
    over = {found.run.id for found in report.runs if found.run.finished_at}
    yield report
    while not _is_over(report, over):
        await asyncio.sleep(every.total_seconds())
        report = await campaigns.show(ctx, account, public_id, limit=1)
        yield report


def _is_over(report: CampaignReport, before: set[int]) -> bool:
    """Return whether the followed run is over; a run that was over before does not count."""
    latest = report.runs[0].run if report.runs else None
    if latest is not None and latest.finished_at is None:
        return False
    return report.campaign.state.is_final or (latest is not None and latest.id not in before)
