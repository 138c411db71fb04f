"""What a gateway of phones has and we have not: received messages and a phone's log."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from dispatcher.api.body import read_object
from dispatcher.api.dialects.smsgate import samples
from dispatcher.api.dialects.smsgate.access import Needs
from dispatcher.api.door import Json
from dispatcher.domain.submission import Caller

router = APIRouter(tags=["Inbox and logs"])
export_router = APIRouter(tags=["Inbox and logs"])

NO_INBOX = "There is no inbox: messages are sent here, none is received"
NO_LOGS = "There are no device's logs: messages go out through providers"


@router.get("/inbox", summary="List received messages", status_code=501, responses=samples.missing(NO_INBOX))
async def show_all(_: Annotated[Caller, Depends(Needs("inbox:list"))]) -> Response:
    """None is ever received."""
    raise HTTPException(501, NO_INBOX)


@router.get(
    "/inbox/{message_id}/attachments/{part_id}",
    summary="Download an attachment",
    status_code=501,
    responses=samples.missing(NO_INBOX),
)
async def attachment(
    message_id: str, part_id: str, _: Annotated[Caller, Depends(Needs("inbox:list"))]
) -> Response:
    """None is ever received."""
    raise HTTPException(501, NO_INBOX)


@router.post(
    "/inbox/refresh",
    summary="Refresh the inbox",
    status_code=202,
    responses=samples.ACCEPTED,
    openapi_extra=samples.PERIOD,
)
async def refresh(request: Request, _: Annotated[Caller, Depends(Needs("inbox:refresh"))]) -> Response:
    """Accepted, and nothing follows: there is no inbox."""
    await read_object(request)
    return Json({}, 202)


@export_router.post(
    "/export",
    summary="Export the inbox",
    deprecated=True,
    status_code=202,
    responses=samples.ACCEPTED,
    openapi_extra=samples.PERIOD,
)
async def export(request: Request, _: Annotated[Caller, Depends(Needs("messages:export"))]) -> Response:
    """Accepted, and nothing follows: there is no inbox. `/inbox/refresh` is the newer way."""
    await read_object(request)
    return Json({}, 202, headers={"Deprecation": "true"})


@router.get("/logs", summary="Read a device's log", status_code=501, responses=samples.missing(NO_LOGS))
async def logs(_: Annotated[Caller, Depends(Needs("logs:read"))]) -> Response:
    """There is no device that writes one."""
    raise HTTPException(501, NO_LOGS)
