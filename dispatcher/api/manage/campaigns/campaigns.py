"""The campaigns of accounts: planned, started, paused, resumed, cancelled; how far each has come."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Response

from dispatcher.api.manage.campaigns.schemas import (
    NAMES,
    CampaignChangeRequest,
    CampaignRequest,
    CampaignResponse,
    EndedResponse,
    ReportResponse,
    shown_run,
    told,
)
from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import Time
from dispatcher.api.manage.paging import MOST, Page, Paged
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.domain.campaigns.campaign import CampaignPlan
from dispatcher.service.campaigns import campaigns, drafts
from dispatcher.service.campaigns.campaigns import CampaignRow
from dispatcher.service.campaigns.drafts import renamed_faults
from dispatcher.service.context import Context

_PATH = f"{PREFIX}/accounts/{{name}}/campaigns"
_ONE = f"{_PATH}/{{campaign_id}}"
router = operator_router("Campaigns")
_UNKNOWN = problems(_404="No such account or campaign")
_MOVED = problems(_404="No such account or campaign", _409="Its state does not allow it")

CampaignId = Annotated[UUID, Path(description="The campaign's id.")]


@router.get(_PATH, responses=problems(_404="No such account"))
async def list_campaigns(account: NamedAccount, ctx: Ctx, paging: Paged) -> Page[CampaignResponse]:
    """List an account's campaigns, the oldest first."""
    found = await campaigns.page(ctx, account, after=paging.after, limit=paging.probe)
    names = await drafts.names(ctx, found)
    return paging.page(found, lambda campaign: CampaignResponse.model_validate(told(campaign, names)))


@router.post(
    _PATH,
    status_code=201,
    responses=problems(_404="No such account", _409="The account has a campaign of this name"),
)
async def create_campaign(
    given: CampaignRequest, account: NamedAccount, ctx: Ctx, response: Response
) -> CampaignResponse:
    """Plan a campaign. All that is wrong with the plan is told together, in `faults`."""
    with renamed_faults(NAMES):
        made = await drafts.create(ctx, account, CampaignPlan(**given.fields()))  # type: ignore[arg-type]
    if given.start:
        made = await campaigns.start(ctx, account, str(made.public_id))
    response.headers["Location"] = f"{PREFIX}/accounts/{account.name}/campaigns/{made.public_id}"
    return await _shown(ctx, made)


@router.get(_ONE, responses=_UNKNOWN)
async def show_campaign(
    campaign_id: CampaignId,
    account: NamedAccount,
    ctx: Ctx,
    runs: Annotated[int, Query(ge=1, le=MOST, description="How many of them at most.")] = 10,
    before: Annotated[Time | None, Query(description="Only runs due before then.")] = None,
) -> ReportResponse:
    """Show a campaign: how far its runs are, and when each will be through."""
    report = await campaigns.show(ctx, account, str(campaign_id), before=before, limit=runs)
    fields = told(report.campaign, await drafts.names(ctx, [report.campaign]))
    return ReportResponse(**fields, runs=[shown_run(found) for found in report.runs])


@router.patch(
    _ONE,
    responses=problems(_404="No such account or campaign", _409="It is no draft, or the name is taken"),
)
async def change_campaign(
    given: CampaignChangeRequest, campaign_id: CampaignId, account: NamedAccount, ctx: Ctx
) -> CampaignResponse:
    """Change a draft."""
    with renamed_faults(NAMES):
        return await _shown(ctx, await drafts.change(ctx, account, str(campaign_id), given.fields()))


@router.post(f"{_ONE}/start", responses=_MOVED)
async def start_campaign(campaign_id: CampaignId, account: NamedAccount, ctx: Ctx) -> CampaignResponse:
    """Let a draft run, at its time."""
    return await _shown(ctx, await campaigns.start(ctx, account, str(campaign_id)))


@router.post(f"{_ONE}/pause", responses=_MOVED)
async def pause_campaign(campaign_id: CampaignId, account: NamedAccount, ctx: Ctx) -> CampaignResponse:
    """Stop an active campaign where it is, within a second or two."""
    return await _shown(ctx, await campaigns.pause(ctx, account, str(campaign_id)))


@router.post(f"{_ONE}/resume", responses=_MOVED)
async def resume_campaign(campaign_id: CampaignId, account: NamedAccount, ctx: Ctx) -> CampaignResponse:
    """Let a paused campaign go on; what is still to go out moves by as long as the pause was."""
    return await _shown(ctx, await campaigns.resume(ctx, account, str(campaign_id)))


@router.post(f"{_ONE}/cancel", responses=_MOVED)
async def cancel_campaign(campaign_id: CampaignId, account: NamedAccount, ctx: Ctx) -> EndedResponse:
    """End a campaign for good; all of it that is not out is taken back, with its credits."""
    ended = await campaigns.cancel(ctx, account, str(campaign_id))
    fields = told(ended.campaign, await drafts.names(ctx, [ended.campaign]))
    return EndedResponse(**fields, withdrawn=ended.withdrawn, out=ended.too_late)


async def _shown(ctx: Context, campaign: CampaignRow) -> CampaignResponse:
    return CampaignResponse(**told(campaign, await drafts.names(ctx, [campaign])))
