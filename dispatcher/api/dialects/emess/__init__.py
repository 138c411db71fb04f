"""
Dialect: Emess API v0, under /api/v0. Bearer JWT; errors are {"message": ...}.

What its document leaves open, and what we decided, is told in
`docs/dialects/emess.md`.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import Response

from dispatcher.api.admission import admit
from dispatcher.api.body import read_object
from dispatcher.api.dialects.emess import samples
from dispatcher.api.dialects.emess.form import Form, read_pair
from dispatcher.api.dialects.emess.words import WORDS, WRONG_PAIR, Counted, envelope
from dispatcher.api.door import Claim, Door, Json
from dispatcher.api.idempotency import accept
from dispatcher.api.runtime import Ctx
from dispatcher.domain.credential import CredentialKind
from dispatcher.domain.errors import NotAuthenticated
from dispatcher.domain.submission import AcceptedBatch, Caller
from dispatcher.service import credentials, tokens
from dispatcher.service.context import Context

NAME = "emess"

door = Door(
    NAME,
    title="Emess API",
    description=samples.DESCRIPTION,
    claims=(Claim("/api/v0"), Claim("/api/v0/sms/bulk", bulk=True)),
    envelope=envelope,
    docs="/api/v0",
    challenge="Bearer",
)

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="The token of POST /auth/token.")


async def _caller(
    request: Request, ctx: Ctx, shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Caller:
    return await admit(request, ctx, _holder(ctx, shown))


async def _holder(ctx: Context, shown: HTTPAuthorizationCredentials | None) -> Caller:
    if shown is None:
        raise NotAuthenticated("the request has no token")
    return await tokens.authenticate(ctx, shown.credentials.strip(), dialect=NAME)


Authenticated = Annotated[Caller, Depends(_caller)]


@door.app.post(
    "/api/v0/auth/token",
    summary="Authenticate your application and receive a Bearer token",
    responses=samples.TOKEN_ANSWERS,
    openapi_extra=samples.TOKEN_BODY,
)
async def issue_token(request: Request, ctx: Ctx) -> Response:
    """The token is good for an hour, unless a setting says otherwise, and as long as its application is."""
    app_id, secret = await read_pair(request)
    checking = credentials.by_pair(ctx, CredentialKind.APP, app_id, secret, dialect=NAME)
    try:
        caller = await admit(request, ctx, checking)
    except NotAuthenticated:
        raise HTTPException(401, WRONG_PAIR) from None  # not what a wrong token is told
    validity = timedelta(seconds=ctx.settings.token_validity)
    return Json({"token": (await tokens.issue(ctx, caller, validity=validity)).access})


@door.app.post(
    "/api/v0/sms/send",
    summary="Send a single SMS message",
    responses=samples.SEND_ANSWERS,
    openapi_extra=samples.SEND_BODY,
)
async def send(request: Request, ctx: Ctx, caller: Authenticated) -> Response:
    """Answered when the message is kept; from then on it goes out by itself."""
    submission = Form(await read_object(request)).single(caller, ctx.settings)
    return await accept(request, ctx, caller, submission, answer=_sent)


@door.app.post(
    "/api/v0/sms/bulk",
    summary="Send the same SMS message to multiple numbers",
    responses=samples.BULK_ANSWERS,
    openapi_extra=samples.BULK_BODY,
)
async def send_bulk(request: Request, ctx: Ctx, caller: Authenticated) -> Response:
    """What is no phone number is left out and counted; the tokens must cover all the others together."""
    submission = Form(await read_object(request)).bulk(caller, ctx.settings)
    answer = partial(_processed, submission.recipients)
    return await accept(request, ctx, caller, submission, answer=answer)


def _sent(batch: AcceptedBatch) -> Response:
    [message] = batch.messages
    return Json(
        {
            "message": "SMS sent successfully",
            "id": str(message.public_id),
            "batchId": str(batch.public_id),
        }
    )


def _processed(numbers: Sequence[str], batch: AcceptedBatch) -> Response:
    """
    Count every number that came, so that succeeded and failed are the total.

    A repeat for which there is no message of its own counts as its first one
    does, as long as both are spelled alike; else as succeeded.
    """
    going = [message for message in batch.messages if WORDS[message.status] is Counted.SUCCEEDED]
    ended = {m.number_as_given for m in batch.messages if WORDS[m.status] is Counted.FAILED}
    failed = batch.skipped + sum(number in ended for number in numbers)
    return Json(
        {
            "message": "Bulk processing completed",
            "total": len(numbers),
            "data": [str(message.public_id) for message in going],
            "succeeded": len(numbers) - failed,
            "failed": failed,
            "batchId": str(batch.public_id),
        }
    )
