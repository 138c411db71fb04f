"""The audiences of accounts: recipients read from the CSV file that a request's body is."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import Path, Query, Request, Response
from starlette.responses import StreamingResponse

from dispatcher.api.manage.dependencies import Ctx, NamedAccount
from dispatcher.api.manage.fields import Plain, ResponseModel
from dispatcher.api.manage.paging import Page, Paged
from dispatcher.api.manage.problems import problems
from dispatcher.api.manage.router import PREFIX, operator_router
from dispatcher.api.request_body import Json, stream_file
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.campaigns.campaign import AudienceState
from dispatcher.domain.errors import Invalid
from dispatcher.service.campaigns import audiences
from dispatcher.service.campaigns.audiences import Audience, Reject
from dispatcher.service.campaigns.estimate import Estimate, EstimateRequest, estimate
from dispatcher.service.campaigns.recipient_file import RecipientFile
from dispatcher.service.context import Context

_PATH = f"{PREFIX}/accounts/{{name}}/audiences"
_ONE = f"{_PATH}/{{audience}}"
router = operator_router("Audiences")
_UNKNOWN = problems(_404="No such account or audience")
_CSV = "text/csv"
_CSV_BODY = {"schema": {"type": "string", "format": "binary"}}

AudienceName = Annotated[Plain, Path(description="The audience's name, or its id.")]


class AudienceResponse(ResponseModel):
    """An audience; only a `ready` one can be sent to. `zones` counts recipients by where they live."""

    id: UUID
    name: str
    state: AudienceState
    columns: list[str]
    rows: int
    recipients: int
    rejects: int
    zones: dict[str, int]
    created_at: datetime
    ready_at: datetime | None


class ShareResponse(ResponseModel):
    """What the messages to one country come to."""

    messages: int
    segments: int
    cost: int


class EstimateResponse(ResponseModel):
    """
    What a file holds: rows = valid + invalid + repeated.

    Of the valid ones some have opted out, are incomplete (no value for a
    variable of the text, `missing` counts them by its name) or unsendable
    (no route, or the text is empty or too long); all others are `total`'s messages.
    """

    columns: list[str]
    rows: int
    valid: int
    invalid: int
    repeated: int
    opted_out: int
    incomplete: int
    unsendable: int
    missing: dict[str, int]
    total: ShareResponse
    by_country: dict[str, ShareResponse]


@router.get(_PATH, responses=problems(_404="No such account"))
async def list_audiences(account: NamedAccount, ctx: Ctx, paging: Paged) -> Page[AudienceResponse]:
    """List an account's audiences, the oldest first."""
    return paging.page(await audiences.page(ctx, account, after=paging.after, limit=paging.probe), _shown)


@router.post(
    _PATH,
    status_code=201,
    response_model=AudienceResponse,
    responses={
        200: {"model": EstimateResponse, "description": "What a dry run found"},
        **problems(
            _404="No such account, template or sender",
            _409="There is a ready audience of this name, or another import took it over",
            _415="The body is compressed or multipart",
        ),
    },
    openapi_extra={"requestBody": {"required": True, "content": {_CSV: _CSV_BODY}}},
)
async def import_audience(
    request: Request,
    account: NamedAccount,
    ctx: Ctx,
    audience: Annotated[Plain | None, Query(description="Its name; a dry run needs none.")] = None,
    country: Annotated[
        Plain | None, Query(description="Whose national numbers; left out the account's.")
    ] = None,
    column: Annotated[Plain | None, Query(description="The one with the numbers.")] = None,
    encoding: Annotated[Plain | None, Query()] = None,
    separator: Annotated[Plain | None, Query(description="One of , ; | and tab.")] = None,
    dry_run: Annotated[bool, Query(description="Count, and keep nothing.")] = False,
    text: Annotated[Plain | None, Query(description="Dry run: what would be sent.")] = None,
    template_id: Annotated[Plain | None, Query(description="Dry run: the same, as a template.")] = None,
    sender: Annotated[Plain | None, Query(description="Dry run: as whom.")] = None,
) -> Response:
    """
    Import a CSV file, or count what it holds.

    Its first line names the columns. The body is read as it comes, whatever
    its size; encoding, separator and the column with the numbers are found
    out unless they are said. Lines that become no recipient are kept as rejects.
    """
    file = RecipientFile(
        stream_file(request), column=column, encoding=encoding, separator=separator, country=country
    )
    wording = EstimateRequest(text, template_id, sender)
    if dry_run:
        return await _estimated(ctx, account, file, wording)
    if audience is None:
        raise Invalid("give the audience a name: audience=NAME")
    if wording != EstimateRequest():
        raise Invalid("text, template_id and sender belong to a dry run: say dry_run=true, or leave them out")
    made = await audiences.import_file(ctx, account, audience, file)
    where = f"{request.url.path}/{made.public_id}"
    return Json(_shown(made).model_dump(mode="json"), 201, headers={"Location": where})


@router.get(_ONE, responses=_UNKNOWN)
async def show_audience(audience: AudienceName, account: NamedAccount, ctx: Ctx) -> AudienceResponse:
    """Show an audience."""
    return _shown(await audiences.find(ctx, account, audience))


@router.get(
    f"{_ONE}/rejects",
    response_class=StreamingResponse,
    responses={200: {"content": {_CSV: _CSV_BODY}, "description": "line, reason, raw"}, **_UNKNOWN},
)
async def download_rejects(audience: AudienceName, account: NamedAccount, ctx: Ctx) -> StreamingResponse:
    """Give the lines that became no recipient, and why, as a CSV file."""
    found = await audiences.find(ctx, account, audience)
    disposition = f"attachment; filename*=UTF-8''{quote(found.name, safe='')}-rejects.csv"
    lines = _lines(audiences.rejects(ctx, found))
    return StreamingResponse(lines, media_type=_CSV, headers={"Content-Disposition": disposition})


@router.delete(
    _ONE,
    status_code=204,
    responses=problems(_404="No such account or audience", _409="A campaign has it"),
)
async def remove_audience(audience: AudienceName, account: NamedAccount, ctx: Ctx) -> None:
    """Delete an audience. An import of it that is still running ends."""
    await audiences.remove(ctx, account, audience)


async def _estimated(
    ctx: Context, account: Account, file: RecipientFile, wording: EstimateRequest
) -> Response:
    found: Estimate = await estimate(ctx, account, file, wording)
    return Json(EstimateResponse.model_validate(found).model_dump(mode="json"), 200)


async def _lines(rejects: AsyncIterator[Reject]) -> AsyncIterator[str]:
    yield _line(Reject._fields)
    async for reject in rejects:
        yield _line(reject)


def _line(fields: tuple[object, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(fields)
    return line.getvalue()


def _shown(found: Audience) -> AudienceResponse:
    return AudienceResponse(
        id=found.public_id,
        name=found.name,
        state=found.state,
        columns=list(found.columns),
        rows=found.rows,
        recipients=found.recipients,
        rejects=found.rejects,
        zones=dict(zip(found.zones, found.zone_counts, strict=True)),
        created_at=found.created_at,
        ready_at=found.ready_at,
    )
