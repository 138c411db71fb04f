"""
Dialect: eMsgNow, under /sms. API key in x-api-key; errors are {"error": ...}.

What its document leaves open, and what we decided, is told in
`docs/dialects/emsgnow.md`.
"""

import re
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader
from starlette.responses import Response

from dispatcher.api.admission import admit
from dispatcher.api.body import read_object
from dispatcher.api.dialects.emsgnow import samples, shapes
from dispatcher.api.dialects.emsgnow.form import Form
from dispatcher.api.dialects.emsgnow.words import (
    EVENT_NOT_FOUND,
    INVALID_KEY,
    KEY_REQUIRED,
    NOT_RETRIEVED,
    NOT_SENT,
    RECEIVED,
    SMS_NOT_FOUND,
    envelope,
    quota_headers,
)
from dispatcher.api.door import Claim, Door, Json
from dispatcher.api.failure import failure_of
from dispatcher.api.idempotency import accept
from dispatcher.api.runtime import Ctx
from dispatcher.domain.credential import CredentialKind
from dispatcher.domain.errors import Forbidden, NotAuthenticated, NotFound, Unavailable
from dispatcher.domain.submission import AcceptedBatch, Caller
from dispatcher.service import credentials, search
from dispatcher.service.context import Context
from dispatcher.service.search import History

NAME = "emsgnow"

door = Door(
    NAME,
    title="eMsgNow SMS API",
    description=samples.DESCRIPTION,
    claims=(Claim("/sms"),),
    envelope=envelope,
    docs="/sms",
    challenge="ApiKey",
    quota_headers=quota_headers,
    wording=shapes.worded,
)

_api_key = APIKeyHeader(name="x-api-key", auto_error=False, description="The API key of the account.")
_TRACKING_ID = re.compile(r"[0-9a-f]{32}")


async def _failed(request: Request, error: Exception) -> Response:
    """Answer for a fault of ours with the words the document has for what was asked."""
    words = NOT_SENT if request.method == "POST" else NOT_RETRIEVED
    return door.refuse(replace(failure_of(error), message=words))


for _fault in (Unavailable, Exception):
    door.app.add_exception_handler(_fault, _failed)


async def _caller(request: Request, ctx: Ctx, key: Annotated[str | None, Depends(_api_key)]) -> Caller:
    """Without a key it is 401, with a wrong one 403; either counts against the address."""
    secret = (key or "").strip()
    try:
        return await admit(request, ctx, _holder(ctx, secret))
    except NotAuthenticated:
        if not secret:
            raise
        raise Forbidden(INVALID_KEY) from None


async def _holder(ctx: Context, secret: str) -> Caller:
    if not secret:
        raise NotAuthenticated(KEY_REQUIRED)
    return await credentials.by_secret(ctx, CredentialKind.API_KEY, secret, dialect=NAME)


Authenticated = Annotated[Caller, Depends(_caller)]


@door.app.post("/sms", summary="Send SMS", responses=samples.SENT, openapi_extra=samples.SEND)
async def send(request: Request, ctx: Ctx, caller: Authenticated) -> Response:
    """
    Send an SMS, now or later; its text is given, or comes of a template.

    With an `Idempotency-Key` header the same request again gets the same answer, and one SMS is sent.
    """
    submission = Form(await read_object(request)).submission(ctx.settings)
    return await accept(request, ctx, caller, submission, answer=_received)


@door.app.get("/sms/{message_id}", summary="Get SMS Details", responses=samples.found(samples.DETAILS))
async def read_sms(message_id: str, ctx: Ctx, caller: Authenticated) -> Response:
    """`message` is the text as it is sent, with its variables filled in."""
    return Json(shapes.details(await _history(ctx, caller, message_id)))


@door.app.get("/sms/{message_id}/events", summary="Get SMS Events", responses=samples.found(samples.EVENTS))
async def read_events(message_id: str, ctx: Ctx, caller: Authenticated) -> Response:
    """The oldest event comes first."""
    history = await _history(ctx, caller, message_id)
    client_id = history.message.client_id
    events = [shapes.event(message_id, client_id, happened) for happened in history.events]
    return Json({"messageId": message_id, "events": events})


@door.app.get(
    "/sms/{message_id}/events/{event_id}",
    summary="Get Single SMS Event",
    responses=samples.found(samples.EVENT),
)
async def read_event(message_id: str, event_id: str, ctx: Ctx, caller: Authenticated) -> Response:
    """The id of an event is the one that the lists show."""
    history = await _history(ctx, caller, message_id)
    for happened in history.events:
        if shapes.event_id(message_id, happened.seq) == event_id:
            return Json(shapes.single_event(message_id, history.message.client_id, happened))
    raise NotFound(EVENT_NOT_FOUND)


async def _history(ctx: Context, caller: Caller, message_id: str) -> History:
    """Read a message by its tracking id; an id has one spelling. Raises NotFound."""
    if not _TRACKING_ID.fullmatch(message_id):
        raise NotFound(SMS_NOT_FOUND)
    try:
        return await search.history(ctx, UUID(message_id), caller=caller, with_text=True)
    except NotFound:
        raise NotFound(SMS_NOT_FOUND) from None


def _received(batch: AcceptedBatch) -> Response:
    [message] = batch.messages
    return Json({"message": RECEIVED, "trackingId": message.public_id.hex})
