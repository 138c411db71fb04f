"""The routes of this dialect, and the dialect itself."""

from collections import defaultdict
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.auth import authenticate, bearer_token, presented_secret
from dispatcher.api.dialect import Dialect
from dispatcher.api.dialects.scheduler import openapi_examples
from dispatcher.api.dialects.scheduler.mapping import code, envelope
from dispatcher.api.dialects.scheduler.requests import Form
from dispatcher.api.idempotency import accept
from dispatcher.api.operations import MountPoint, Operations, SecurityScheme
from dispatcher.api.request_body import Json, id_in_path, read_object
from dispatcher.api.runtime import context_of
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.errors import InvalidSubmission, NotAuthenticated, NotFound
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.submission import AcceptedBatch
from dispatcher.service.accounts import credentials
from dispatcher.service.context import Context
from dispatcher.service.messages import search, withdraw
from dispatcher.service.submissions.submit import check

NAME = "scheduler"

BEARER = SecurityScheme(
    "HTTPBearer", {"type": "http", "scheme": "bearer", "description": "The API key of the account."}
)

operations = Operations(security=(BEARER,))


@operations.add(
    "POST",
    "/api/v1/sms",
    summary="Create an SMS (to one or multiple phone numbers)",
    request=openapi_examples.CREATE,
    responses=openapi_examples.CREATED,
)
async def create(request: Request) -> Response:
    """The request is accepted as a whole, or not at all; an error lists all faults."""
    ctx, caller = context_of(request), await _authenticated(request)
    form = Form(await read_object(request))
    submission = form.submission(caller, simulated=ctx.settings.simulated_numbers)
    if form.errors:
        return form.refusal(await check(ctx, caller, submission))
    try:
        return await accept(request, ctx, caller, submission, answer=partial(_created, ctx))
    except InvalidSubmission as error:
        return form.refusal(error.faults)


@operations.add(
    "GET",
    "/api/v1/sms/{sms_id}",
    summary="Get sending report of a particular SMS",
    request=openapi_examples.SMS_ID,
    responses=openapi_examples.found(openapi_examples.SMS),
)
async def read_sms(request: Request) -> Response:
    """A deleted SMS is not found."""
    caller, sms_id = await _authenticated(request), id_in_path(request, "sms_id")
    found = await search.message(context_of(request), sms_id, caller=caller, with_withdrawn=False)
    return Json({"phone_number": found.number_as_given, "status": code(found.status)})


@operations.add(
    "DELETE",
    "/api/v1/sms/{sms_id}",
    summary="Delete a SMS by its ID",
    request=openapi_examples.SMS_ID,
    responses=openapi_examples.found({"success": True}),
)
async def delete_sms(request: Request) -> Response:
    """`false` means that it is too late: the SMS is being sent, or was sent."""
    caller = await _authenticated(request)
    withdrawn = await withdraw.one(context_of(request), caller, id_in_path(request, "sms_id"))
    return Json({"success": withdrawn})


@operations.add(
    "GET",
    "/api/v1/message/{message_id}",
    summary="Get sending report of all SMS sent with a particular message",
    request=openapi_examples.MESSAGE_ID,
    responses=openapi_examples.found(openapi_examples.MESSAGE),
)
async def read_message(request: Request) -> Response:
    """Deleted SMS are left out; when all are deleted, the message is not found."""
    caller, message_id = await _authenticated(request), id_in_path(request, "message_id")
    remaining = [
        {"id": sms.id, "phone_number": sms.number_as_given, "status": code(sms.status)}
        for sms in await search.statuses(context_of(request), caller, message_id)
        if sms.status is not Status.WITHDRAWN
    ]
    if not remaining:
        raise NotFound(f"there is no batch {message_id}")
    return Json(remaining)


@operations.add(
    "DELETE",
    "/api/v1/message/{message_id}",
    summary="Delete multiple SMS by their message ID",
    request=openapi_examples.MESSAGE_ID,
    responses=openapi_examples.found({"success": 3}),
)
async def delete_message(request: Request) -> Response:
    """Returns how many SMS were deleted; those that are being sent, or were sent, remain."""
    caller = await _authenticated(request)
    withdrawn = await withdraw.batch(context_of(request), caller, id_in_path(request, "message_id"))
    return Json({"success": withdrawn})


async def _authenticated(request: Request) -> Caller:
    presented = presented_secret(bearer_token(request), door=NAME)
    return await authenticate(request, _check_key(request), presented=presented)


async def _check_key(request: Request) -> Caller:
    key = bearer_token(request)
    if key is None:
        raise NotAuthenticated("the request has no API key")
    return await credentials.by_secret(context_of(request), CredentialKind.BEARER, key, dialect=NAME)


def _created(ctx: Context, batch: AcceptedBatch) -> Response:
    ids = _ids(batch, scalar=ctx.settings.scheduler_scalar_ids)
    return Json({"message_id": batch.id, "sms_ids": ids})


def _ids(batch: AcceptedBatch, *, scalar: bool) -> dict[str, list[int]] | dict[str, int]:
    """Return the ids by number, in the order and spelling of the request; `scalar`: a number's last one."""
    if scalar:
        return {message.number_as_given: message.id for message in batch.messages}
    ids: dict[str, list[int]] = defaultdict(list)
    for message in batch.messages:
        ids[message.number_as_given].append(message.id)
    return ids


dialect = Dialect(
    NAME,
    title="SMS Scheduler",
    description=openapi_examples.DESCRIPTION,
    mounts=(MountPoint("/api/v1"), MountPoint("/api/v1/sms", bulk=True)),
    envelope=envelope,
    operations=operations,
    docs="/api/v1",
    challenge="Bearer",
)
