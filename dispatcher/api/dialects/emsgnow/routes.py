"""The routes of this dialect, and the dialect itself."""

import re
from dataclasses import replace
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from dispatcher.api.auth import authenticate, presented_secret
from dispatcher.api.dialect import Dialect
from dispatcher.api.dialects.emsgnow import openapi_examples, responses
from dispatcher.api.dialects.emsgnow.mapping import (
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
from dispatcher.api.dialects.emsgnow.requests import Form
from dispatcher.api.errors import describe_error
from dispatcher.api.idempotency import accept
from dispatcher.api.operations import MountPoint, Operations, SecurityScheme
from dispatcher.api.request_body import Json, read_object
from dispatcher.api.runtime import context_of
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.errors import DispatchError, Forbidden, NotAuthenticated, NotFound, Unavailable
from dispatcher.domain.messages.submission import AcceptedBatch
from dispatcher.service.accounts import credentials
from dispatcher.service.messages import search
from dispatcher.service.messages.search import History
from dispatcher.service.submissions.submit import check

NAME = "emsgnow"

API_KEY = SecurityScheme(
    "APIKeyHeader",
    {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The API key of the account."},
)
_TRACKING_ID = re.compile(r"[0-9a-f]{32}")

operations = Operations(security=(API_KEY,))


@operations.add(
    "POST", "/sms", summary="Send SMS", request=openapi_examples.SEND, responses=openapi_examples.SENT
)
async def send(request: Request) -> Response:
    """
    Send an SMS, now or later, with a text or a template.

    A request that is repeated with its `Idempotency-Key` header gets the same response, and sends nothing.
    """
    ctx, caller = context_of(request), await _authenticated(request)
    form = Form(await read_object(request))
    submission = form.submission(ctx.settings)
    if form.errors:
        raise form.refusal(await check(ctx, caller, submission))
    return await accept(request, ctx, caller, submission, answer=_received)


@operations.add(
    "GET",
    "/sms/{message_id}",
    summary="Get SMS Details",
    responses=openapi_examples.found(openapi_examples.DETAILS),
)
async def read_sms(request: Request) -> Response:
    """`message` is the text that is sent, with its variables filled in."""
    return Json(responses.details(await _history(request)))


@operations.add(
    "GET",
    "/sms/{message_id}/events",
    summary="Get SMS Events",
    responses=openapi_examples.found(openapi_examples.EVENTS),
)
async def read_events(request: Request) -> Response:
    """The oldest event comes first."""
    history, message_id = await _history(request), request.path_params["message_id"]
    client_id = history.message.client_id
    events = [responses.event(message_id, client_id, event) for event in history.events]
    return Json({"messageId": message_id, "events": events})


@operations.add(
    "GET",
    "/sms/{message_id}/events/{event_id}",
    summary="Get Single SMS Event",
    responses=openapi_examples.found(openapi_examples.EVENT),
)
async def read_event(request: Request) -> Response:
    """The id of an event is the one in the list of events."""
    history, message_id = await _history(request), request.path_params["message_id"]
    for event in history.events:
        if responses.event_id(message_id, event.seq) == request.path_params["event_id"]:
            return Json(responses.single_event(message_id, history.message.client_id, event))
    raise NotFound(EVENT_NOT_FOUND)


async def _authenticated(request: Request) -> Caller:
    """
    Return the caller. Raises NotAuthenticated without a key, Forbidden with a wrong one.

    Both count against the address.
    """
    key = request.headers.get("x-api-key", "").strip()
    try:
        presented = presented_secret(key, door=NAME)
        return await authenticate(request, _check_key(request, key), presented=presented)
    except NotAuthenticated:
        if not key:
            raise
        raise Forbidden(INVALID_KEY) from None


async def _check_key(request: Request, key: str) -> Caller:
    if not key:
        raise NotAuthenticated(KEY_REQUIRED)
    return await credentials.by_secret(context_of(request), CredentialKind.API_KEY, key, dialect=NAME)


async def _history(request: Request) -> History:
    """Return the message whose tracking id is in the path, in lower case. Raises NotFound."""
    caller, message_id = await _authenticated(request), request.path_params["message_id"]
    if not _TRACKING_ID.fullmatch(message_id):
        raise NotFound(SMS_NOT_FOUND)
    try:
        return await search.history(context_of(request), UUID(message_id), caller=caller, with_text=True)
    except NotFound:
        raise NotFound(SMS_NOT_FOUND) from None


def _received(batch: AcceptedBatch) -> Response:
    [message] = batch.messages
    return Json({"message": RECEIVED, "trackingId": message.public_id.hex})


class _Dialect(Dialect):
    """A dialect whose words for an error of ours depend on the operation."""

    def answer_error(self, scope: Scope, error: Exception) -> Response:
        if isinstance(error, DispatchError | HTTPException) and not isinstance(error, Unavailable):
            return super().answer_error(scope, error)
        words = NOT_SENT if scope["method"] == "POST" else NOT_RETRIEVED
        return self.refuse(scope, replace(describe_error(error), message=words))


dialect = _Dialect(
    NAME,
    title="eMsgNow SMS API",
    description=openapi_examples.DESCRIPTION,
    mounts=(MountPoint("/sms"),),
    envelope=envelope,
    operations=operations,
    docs="/sms",
    challenge="ApiKey",
    quota_headers=quota_headers,
    event_formatter=responses.format_event,
)
