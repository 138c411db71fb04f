"""
Dialect: SMS Scheduler v1, under /api/v1. Bearer key; errors are {"errors": {field: [message, ...]}}.

What its document leaves open, and what we decided, is told in
`docs/dialects/scheduler.md`.
"""

from collections import defaultdict
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.responses import Response

from dispatcher.api.admission import admit
from dispatcher.api.body import Id, read_object
from dispatcher.api.dialects.scheduler import samples
from dispatcher.api.dialects.scheduler.form import Form
from dispatcher.api.dialects.scheduler.words import code, envelope
from dispatcher.api.door import Claim, Door, Json
from dispatcher.api.idempotency import accept
from dispatcher.api.runtime import Ctx
from dispatcher.domain.credential import CredentialKind
from dispatcher.domain.errors import InvalidSubmission, NotAuthenticated, NotFound
from dispatcher.domain.status import Status
from dispatcher.domain.submission import AcceptedBatch, Caller
from dispatcher.service import credentials, search, withdraw
from dispatcher.service.context import Context
from dispatcher.service.submit import check

NAME = "scheduler"

door = Door(
    NAME,
    title="SMS Scheduler",
    description=samples.DESCRIPTION,
    claims=(Claim("/api/v1"), Claim("/api/v1/sms", bulk=True)),
    envelope=envelope,
    docs="/api/v1",
    challenge="Bearer",
)

_bearer = HTTPBearer(auto_error=False, description="The API key of the account.")


async def _caller(
    request: Request, ctx: Ctx, key: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Caller:
    return await admit(request, ctx, _holder(ctx, key))


async def _holder(ctx: Context, key: HTTPAuthorizationCredentials | None) -> Caller:
    if key is None:
        raise NotAuthenticated("the request has no API key")
    return await credentials.by_secret(ctx, CredentialKind.BEARER, key.credentials.strip(), dialect=NAME)


Authenticated = Annotated[Caller, Depends(_caller)]


@door.app.post(
    "/api/v1/sms",
    summary="Create an SMS (to one or multiple phone numbers)",
    responses=samples.CREATED,
    openapi_extra=samples.CREATE,
)
async def create(request: Request, ctx: Ctx, caller: Authenticated) -> Response:
    """All of it is accepted, or nothing; every fault is told at once."""
    form = Form(await read_object(request))
    submission = form.submission(caller, simulated=ctx.settings.simulated_numbers)
    if form.errors:
        return form.refusal(await check(ctx, caller, submission))
    try:
        return await accept(request, ctx, caller, submission, answer=partial(_created, ctx))
    except InvalidSubmission as error:
        return form.refusal(error.faults)


@door.app.get(
    "/api/v1/sms/{sms_id}",
    summary="Get sending report of a particular SMS",
    responses=samples.found(samples.SMS),
)
async def read_sms(sms_id: Id, ctx: Ctx, caller: Authenticated) -> Response:
    """A deleted SMS is not found."""
    found = await search.message(ctx, sms_id, caller=caller, with_withdrawn=False)
    return Json({"phone_number": found.number_as_given, "status": code(found.status)})


@door.app.delete(
    "/api/v1/sms/{sms_id}",
    summary="Delete a SMS by its ID",
    responses=samples.found({"success": True}),
)
async def delete_sms(sms_id: Id, ctx: Ctx, caller: Authenticated) -> Response:
    """`false` means that it is too late: it is going out, or out."""
    return Json({"success": await withdraw.one(ctx, caller, sms_id)})


@door.app.get(
    "/api/v1/message/{message_id}",
    summary="Get sending report of all SMS sent with a particular message",
    responses=samples.found(samples.MESSAGE),
)
async def read_message(message_id: Id, ctx: Ctx, caller: Authenticated) -> Response:
    """Deleted SMS are left out; when all are deleted, the message is not found."""
    left = [
        {"id": sms.id, "phone_number": sms.number_as_given, "status": code(sms.status)}
        for sms in await search.statuses(ctx, caller, message_id)
        if sms.status is not Status.WITHDRAWN
    ]
    if not left:
        raise NotFound(f"there is no batch {message_id}")
    return Json(left)


@door.app.delete(
    "/api/v1/message/{message_id}",
    summary="Delete multiple SMS by their message ID",
    responses=samples.found({"success": 3}),
)
async def delete_message(message_id: Id, ctx: Ctx, caller: Authenticated) -> Response:
    """Tells how many were deleted now; what is going out, or out, is left."""
    return Json({"success": await withdraw.batch(ctx, caller, message_id)})


def _created(ctx: Context, batch: AcceptedBatch) -> Response:
    ids = _ids(batch, scalar=ctx.settings.scheduler_scalar_ids)
    return Json({"message_id": batch.id, "sms_ids": ids})


def _ids(batch: AcceptedBatch, *, scalar: bool) -> dict[str, list[int]] | dict[str, int]:
    """Give the ids by number, in the order and spelling of the request; as scalars, a repeat's last one."""
    if scalar:
        return {message.number_as_given: message.id for message in batch.messages}
    ids: dict[str, list[int]] = defaultdict(list)
    for message in batch.messages:
        ids[message.number_as_given].append(message.id)
    return ids
