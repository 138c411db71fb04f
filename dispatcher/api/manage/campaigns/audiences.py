"""The audiences of accounts: recipients imported from a CSV file, the body of a request."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request, Response
from starlette.responses import StreamingResponse

from dispatcher.api.manage.campaigns.csv_download import CSV, CSV_BODY, csv_download
from dispatcher.api.manage.campaigns.schemas import TextsResponse
from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import ResponseModel, Text
from dispatcher.api.manage.paging import Page, Paged
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.api.request_body import Json, stream_file
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.campaigns.campaign import AudienceState
from dispatcher.domain.errors import Invalid
from dispatcher.service.campaigns import audiences
from dispatcher.service.campaigns.audiences import Audience
from dispatcher.service.campaigns.estimate import Estimate, EstimateRequest, estimate
from dispatcher.service.campaigns.recipient_file import RecipientFile
from dispatcher.service.campaigns.text_survey import TextSurvey, text_of
from dispatcher.service.context import Context

_PATH = f"{PREFIX}/accounts/{{name}}/audiences"
_ONE = f"{_PATH}/{{audience}}"
router = operator_router("Audiences")
_UNKNOWN = problems(_404="No such account or audience")
_OCTETS = "application/octet-stream"  # many generators of clients know no other type of a file

AudienceName = Annotated[Text, Path(description="The audience's name, or its id.")]


class AudienceResponse(ResponseModel):
    """
    An audience; only a `ready` one can be used.

    `zones` counts recipients by time zone. `encoding` and `separator` are those with
    which its file was read; empty for an audience of an earlier version.
    """

    id: UUID
    name: str
    state: AudienceState
    columns: list[str]
    encoding: str
    separator: str
    rows: int
    recipients: int
    rejects: int
    zones: dict[str, int]
    created_at: datetime
    ready_at: datetime | None


class ImportedResponse(AudienceResponse):
    """A new audience, and how a text to it will read; null without a text."""

    texts: TextsResponse | None


class CostResponse(ResponseModel):
    """Messages, their segments and their cost."""

    messages: int
    segments: int
    cost: int


class EstimateResponse(ResponseModel):
    """
    The contents of a file: rows = valid + invalid + repeated.

    Of the valid rows, some have opted out or are unsendable (no route, or the text is
    empty or too long). The rest are the messages of `total`; `texts` sums up how they
    will read.
    """

    columns: list[str]
    encoding: str
    separator: str
    rows: int
    valid: int
    invalid: int
    repeated: int
    opted_out: int
    unsendable: int
    total: CostResponse
    by_country: dict[str, CostResponse]
    texts: TextsResponse | None


@router.get(_PATH, responses=problems(_404="No such account"))
async def list_audiences(account: NamedAccount, ctx: Ctx, paging: Paged) -> Page[AudienceResponse]:
    """List an account's audiences, the oldest first."""
    return paging.page(await audiences.page(ctx, account, after=paging.after, limit=paging.probe), _response)


@router.post(
    _PATH,
    status_code=201,
    response_model=ImportedResponse,
    responses={
        200: {"model": EstimateResponse, "description": "The result of a dry run"},
        **problems(
            _404="No such account, template or sender",
            _409="There is a ready audience of this name, or another import has taken its place",
            _415="The body is compressed or multipart",
        ),
    },
    openapi_extra={"requestBody": {"required": True, "content": {CSV: CSV_BODY, _OCTETS: CSV_BODY}}},
)
async def import_audience(
    request: Request,
    account: NamedAccount,
    ctx: Ctx,
    audience: Annotated[
        Text | None, Query(description="The audience's name; not needed for a dry run.")
    ] = None,
    country: Annotated[
        Text | None, Query(description="The country of national numbers; by default the account's.")
    ] = None,
    column: Annotated[Text | None, Query(description="The column with the numbers.")] = None,
    encoding: Annotated[Text | None, Query()] = None,
    separator: Annotated[Text | None, Query(description="One of , ; | and tab.")] = None,
    dry_run: Annotated[bool, Query(description="Only count, and store nothing.")] = False,
    text: Annotated[Text | None, Query(description="A text, to see how it will read.")] = None,
    template_id: Annotated[Text | None, Query(description="A template instead of a text.")] = None,
    sender: Annotated[Text | None, Query(description="Dry run: the sender.")] = None,
) -> Response:
    """
    Import a CSV file, or count its contents.

    The first line names the columns. The body is read as a stream, so it may have any
    size. Encoding, separator and the column with the numbers are detected unless they
    are specified. Lines that cannot become a recipient are stored as rejects. With a
    text, the answer has the first three texts as they will read, and how many have how
    many segments.
    """
    file = RecipientFile(
        stream_file(request), column=column, encoding=encoding, separator=separator, country=country
    )
    message = EstimateRequest(text, template_id, sender)
    if dry_run:
        return await _estimate_response(ctx, account, file, message)
    if audience is None:
        raise Invalid("name the audience: audience=NAME")
    if sender is not None:
        raise Invalid("sender is for a dry run: add dry_run=true, or leave it out")
    wanted = await text_of(ctx, account, text=text, template_id=template_id)
    survey = None if wanted is None else TextSurvey(ctx, wanted)
    made = await audiences.import_file(ctx, account, audience, file, survey=survey)
    location = f"{request.url.path}/{made.public_id}"
    texts = None if survey is None else TextsResponse.model_validate(survey.summary)
    shown = ImportedResponse(**_response(made).model_dump(), texts=texts)
    return Json(shown.model_dump(mode="json"), 201, headers={"Location": location})


@router.get(_ONE, responses=_UNKNOWN)
async def show_audience(audience: AudienceName, account: NamedAccount, ctx: Ctx) -> AudienceResponse:
    """Show an audience."""
    return _response(await audiences.find(ctx, account, audience))


@router.get(
    f"{_ONE}/rejects",
    response_class=StreamingResponse,
    responses={
        200: {"content": {CSV: CSV_BODY}, "description": "The rejected rows"},
        **_UNKNOWN,
    },
)
async def download_rejects(audience: AudienceName, account: NamedAccount, ctx: Ctx) -> StreamingResponse:
    """Return the rejected rows, each with its reason, as a CSV file that can be corrected and imported."""
    found = await audiences.find(ctx, account, audience)
    return csv_download(audiences.reject_file(ctx, found), f"{found.name}-rejects.csv")


@router.delete(
    _ONE,
    status_code=204,
    responses=problems(_404="No such account or audience", _409="A campaign uses it"),
)
async def remove_audience(audience: AudienceName, account: NamedAccount, ctx: Ctx) -> None:
    """Delete an audience. An import of it that is still running is stopped."""
    await audiences.remove(ctx, account, audience)


async def _estimate_response(
    ctx: Context, account: Account, file: RecipientFile, message: EstimateRequest
) -> Response:
    found: Estimate = await estimate(ctx, account, file, message)
    return Json(EstimateResponse.model_validate(found).model_dump(mode="json"), 200)


def _response(found: Audience) -> AudienceResponse:
    return AudienceResponse(
        id=found.public_id,
        name=found.name,
        state=found.state,
        columns=list(found.columns),
        encoding=found.file.encoding,
        separator=found.file.separator,
        rows=found.rows,
        recipients=found.recipients,
        rejects=found.rejects,
        zones=dict(zip(found.zones, found.zone_counts, strict=True)),
        created_at=found.created_at,
        ready_at=found.ready_at,
    )
