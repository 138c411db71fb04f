"""
What a gateway of phones has: received messages, and a phone's log, which we have not.

What is received and how it is asked for is upstream's: `docs/features/reading-messages.md` of its
documentation, and `smsgateway/requests_inbox.go` and `dto_inbox.go` of its Go client.
"""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from dispatcher.api.body import read_object
from dispatcher.api.dialects.smsgate import listing, samples
from dispatcher.api.dialects.smsgate.access import Needs
from dispatcher.api.dialects.smsgate.form import Form
from dispatcher.api.dialects.smsgate.moments import written
from dispatcher.api.dialects.smsgate.order import check_device
from dispatcher.api.dialects.smsgate.states import device_id
from dispatcher.api.dialects.smsgate.words import KINDS
from dispatcher.api.door import Json
from dispatcher.api.runtime import Ctx
from dispatcher.domain.errors import Invalid, NotFound
from dispatcher.domain.submission import Caller
from dispatcher.service import inbound
from dispatcher.service.context import Context
from dispatcher.service.inbound import FoundInbound
from dispatcher.service.search import CountedPage

router = APIRouter(tags=["Inbox and logs"])
export_router = APIRouter(tags=["Inbox and logs"])

NO_LOGS = "There are no device's logs: messages go out through providers"
_USUAL = 50
_MOST = 500


@router.get(
    "/inbox", summary="List received messages", responses=samples.RECEIVED, openapi_extra=samples.INBOX
)
async def show_all(
    request: Request, ctx: Ctx, caller: Annotated[Caller, Depends(Needs("inbox:list"))]
) -> Response:
    """The newest come first. `X-Total-Count` tells how many there are in all."""
    query, device = request.query_params, device_id(caller.account.id)
    kind = query.get("type") or "SMS"
    if kind not in KINDS:
        raise Invalid(f"type must be one of {', '.join(KINDS)}")
    since, until = listing.moment(query, "from"), listing.moment(query, "to")
    skip, limit = listing.skipped(query), listing.limited(query, usual=_USUAL, most=_MOST)
    found: CountedPage[FoundInbound] = CountedPage((), 0)
    if kind == "SMS" and query.get("deviceId", device) == device:
        found = await inbound.of_period(ctx, caller, since=since, until=until, skip=skip, limit=limit)
    return Json(list(map(_received, found.items)), headers={"X-Total-Count": str(found.total)})


@router.get(
    "/inbox/{message_id}/attachments/{part_id}",
    summary="Download an attachment",
    responses=samples.NO_ATTACHMENT,
)
async def attachment(
    message_id: str, part_id: str, _: Annotated[Caller, Depends(Needs("inbox:list"))]
) -> Response:
    """There is none: no MMS is received."""
    raise NotFound("attachment not found")


@router.post(
    "/inbox/refresh",
    summary="Refresh the inbox",
    status_code=202,
    responses=samples.ACCEPTED,
    openapi_extra=samples.REFRESH,
)
async def refresh(
    request: Request, ctx: Ctx, caller: Annotated[Caller, Depends(Needs("inbox:refresh"))]
) -> Response:
    """The inbox is always fresh. With `triggerWebhooks` webhooks are told again of what came in a time."""
    form = Form(await read_object(request))
    wanted = form.take("triggerWebhooks", bool) or form.take("webhookDelivery", str) == "Individual"
    await _tell_again(ctx, caller, form, wanted=wanted)
    return Json({}, 202)


@export_router.post(
    "/export",
    summary="Export the inbox",
    deprecated=True,
    status_code=202,
    responses=samples.ACCEPTED,
    openapi_extra=samples.PERIOD,
)
async def export(
    request: Request, ctx: Ctx, caller: Annotated[Caller, Depends(Needs("messages:export"))]
) -> Response:
    """Webhooks are told again of what came in a time. `/inbox/refresh` is the newer way."""
    await _tell_again(ctx, caller, Form(await read_object(request)), wanted=True)
    return Json({}, 202, headers={"Deprecation": "true"})


@router.get("/logs", summary="Read a device's log", status_code=501, responses=samples.missing(NO_LOGS))
async def logs(_: Annotated[Caller, Depends(Needs("logs:read"))]) -> Response:
    """There is no device that writes one."""
    raise HTTPException(501, NO_LOGS)


async def _tell_again(ctx: Context, caller: Caller, form: Form, *, wanted: bool) -> None:
    """Tell again of a period, if that is wanted. Raises Invalid for what is no period of the one device."""
    check_device(form, device_id(caller.account.id))
    since, until = form.moment("since"), form.moment("until")
    if not (form.has("since") and form.has("until")):
        form.faults.append("since and until are required")
    elif since is not None and until is not None and until < since:
        form.faults.append("until must not be before since")
    form.check()
    if wanted and since is not None and until is not None:
        await inbound.tell_again(ctx, caller, since=since, until=until)


def _received(message: FoundInbound) -> Mapping[str, object]:
    return {
        "id": str(message.public_id),
        "type": "SMS",
        "sender": message.number,
        "recipient": message.recipient,
        "simNumber": None,
        "contentPreview": message.text,
        "createdAt": written(message.received_at),
    }
