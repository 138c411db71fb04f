"""The campaigns of accounts: plan, start, pause, resume, cancel; the progress of each."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request, Response
from starlette.responses import StreamingResponse

from dispatcher.api.manage.campaigns.csv_download import CSV, CSV_BODY, csv_download
from dispatcher.api.manage.campaigns.schemas import (
    NAMES,
    CampaignChangeRequest,
    CampaignRequest,
    CampaignResponse,
    CampaignTextRequest,
    CreatedResponse,
    EndedResponse,
    ReportResponse,
    TextsResponse,
    campaign_fields,
    run_response,
)
from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import QueryCount, Time
from dispatcher.api.manage.messages.edits import EditedResponse, edited_response
from dispatcher.api.manage.paging import MAX_LIMIT, Page, Paged
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, checks_content, operator_router
from dispatcher.api.proxies.root_path import public_root
from dispatcher.api.request_body import read_object
from dispatcher.api.runtime import context_of
from dispatcher.domain.campaigns.campaign import CampaignPlan
from dispatcher.domain.errors import FieldError
from dispatcher.service.accounts import accounts
from dispatcher.service.campaigns import campaigns, drafts, edits, text_survey
from dispatcher.service.campaigns.campaigns import CampaignRow
from dispatcher.service.campaigns.drafts import renamed_faults
from dispatcher.service.campaigns.results import result_file
from dispatcher.service.context import Context

_PATH = f"{PREFIX}/accounts/{{name}}/campaigns"
_ONE = f"{_PATH}/{{campaign_id}}"
router = operator_router("Campaigns")
_UNKNOWN = problems(_404="No such account or campaign")
_TRANSITION = problems(_404="No such account or campaign", _409="Its state does not allow it")

CampaignId = Annotated[UUID, Path(description="The campaign's id.")]


@router.get(_PATH, responses=problems(_404="No such account"))
async def list_campaigns(account: NamedAccount, ctx: Ctx, paging: Paged) -> Page[CampaignResponse]:
    """List an account's campaigns, the oldest first."""
    found = await campaigns.page(ctx, account, after=paging.after, limit=paging.probe)
    names = await drafts.names(ctx, found)
    return paging.page(
        found, lambda campaign: CampaignResponse.model_validate(campaign_fields(campaign, names))
    )


async def _content_faults(request: Request, valid: Mapping[str, object]) -> list[FieldError]:
    """Return the faults of the plan that the fields without a fault of form make."""
    ctx, document = context_of(request), {"name": _ANY_NAME, "audience": _ANY_NAME, **valid}
    account = await accounts.find(ctx, request.path_params["name"])
    if "cron" not in valid and "cron" in await read_object(request):
        document.setdefault("at", ctx.now().isoformat())  # it says when, if not rightly
    plan = CampaignPlan(**CampaignRequest.model_validate(document).fields())  # type: ignore[arg-type]
    found = await drafts.find_faults(ctx, account, plan)
    return [replace(fault, field=NAMES.get(fault.field, fault.field)) for fault in found]


_ANY_NAME = "-"


@checks_content(_content_faults)
@router.post(
    _PATH,
    status_code=201,
    responses=problems(_404="No such account", _409="The account has a campaign of this name"),
)
async def create_campaign(
    body: CampaignRequest, account: NamedAccount, ctx: Ctx, request: Request, response: Response
) -> CreatedResponse:
    """Create a campaign. `faults` of an error lists everything that is wrong with the plan."""
    with renamed_faults(NAMES):
        made = await drafts.create(ctx, account, CampaignPlan(**body.fields()))  # type: ignore[arg-type]
    if body.start:
        made = await campaigns.start(ctx, account, str(made.public_id))
    root = public_root(request.scope)
    response.headers["Location"] = f"{root}{PREFIX}/accounts/{account.name}/campaigns/{made.public_id}"
    fields = campaign_fields(made, await drafts.names(ctx, [made]))
    texts = await text_survey.survey_campaign(ctx, made)
    return CreatedResponse(**fields, texts=TextsResponse.model_validate(texts))


@router.get(_ONE, responses=_UNKNOWN)
async def show_campaign(
    campaign_id: CampaignId,
    account: NamedAccount,
    ctx: Ctx,
    runs: Annotated[QueryCount, Query(ge=1, le=MAX_LIMIT, description="The largest number of runs.")] = 10,
    before: Annotated[Time | None, Query(description="Only runs due before this time.")] = None,
) -> ReportResponse:
    """Return a campaign with the progress of its runs, and a forecast for each."""
    report = await campaigns.show(ctx, account, str(campaign_id), before=before, limit=runs)
    fields = campaign_fields(report.campaign, await drafts.names(ctx, [report.campaign]))
    return ReportResponse(**fields, runs=[run_response(found) for found in report.runs])


@router.get(
    f"{_ONE}/results",
    response_class=StreamingResponse,
    responses={200: {"content": {CSV: CSV_BODY}, "description": "The results"}, **_UNKNOWN},
)
async def download_results(campaign_id: CampaignId, account: NamedAccount, ctx: Ctx) -> StreamingResponse:
    """Return what became of each recipient, when, its segments and its price, as a CSV file."""
    campaign = await campaigns.find(ctx, account, str(campaign_id))
    return csv_download(result_file(ctx, campaign), f"{campaign.terms.name}-results.csv")


@router.patch(
    _ONE,
    responses=problems(_404="No such account or campaign", _409="It is not a draft, or the name is taken"),
)
async def change_campaign(
    body: CampaignChangeRequest, campaign_id: CampaignId, account: NamedAccount, ctx: Ctx
) -> CampaignResponse:
    """Change a draft."""
    with renamed_faults(NAMES):
        return await _response(ctx, await drafts.change(ctx, account, str(campaign_id), body.fields()))


@router.post(
    f"{_ONE}/text",
    responses=problems(
        _402="The balance does not cover the new text of messages that wait",
        _404="No such account, campaign or template",
        _409="The campaign has ended, or was given another text meanwhile",
    ),
)
async def change_campaign_text(
    body: CampaignTextRequest, campaign_id: CampaignId, account: NamedAccount, ctx: Ctx
) -> EditedResponse:
    """Change the text of a campaign: of messages that wait, of recipients to come, and of later runs."""
    edited = await edits.change_text(
        ctx,
        account,
        str(campaign_id),
        text=body.text,
        template_id=body.template_id,
        dry_run=body.dry_run,
    )
    return edited_response(edited, dry_run=body.dry_run)


@router.post(f"{_ONE}/start", responses=_TRANSITION)
async def start_campaign(campaign_id: CampaignId, account: NamedAccount, ctx: Ctx) -> CampaignResponse:
    """Start a draft; it runs when it is due."""
    return await _response(ctx, await campaigns.start(ctx, account, str(campaign_id)))


@router.post(f"{_ONE}/pause", responses=_TRANSITION)
async def pause_campaign(campaign_id: CampaignId, account: NamedAccount, ctx: Ctx) -> CampaignResponse:
    """Pause an active campaign, within a second or two."""
    return await _response(ctx, await campaigns.pause(ctx, account, str(campaign_id)))


@router.post(f"{_ONE}/resume", responses=_TRANSITION)
async def resume_campaign(campaign_id: CampaignId, account: NamedAccount, ctx: Ctx) -> CampaignResponse:
    """Resume a paused campaign; the messages that remain move by the length of the pause."""
    return await _response(ctx, await campaigns.resume(ctx, account, str(campaign_id)))


@router.post(f"{_ONE}/cancel", responses=_TRANSITION)
async def cancel_campaign(campaign_id: CampaignId, account: NamedAccount, ctx: Ctx) -> EndedResponse:
    """End a campaign; its messages that have not been sent are cancelled, and refunded."""
    ended = await campaigns.cancel(ctx, account, str(campaign_id))
    fields = campaign_fields(ended.campaign, await drafts.names(ctx, [ended.campaign]))
    return EndedResponse(**fields, withdrawn=ended.withdrawn, out=ended.too_late)


async def _response(ctx: Context, campaign: CampaignRow) -> CampaignResponse:
    return CampaignResponse(**campaign_fields(campaign, await drafts.names(ctx, [campaign])))
