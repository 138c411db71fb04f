"""The routes of this dialect, and the dialect itself."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.auth import authenticate, bearer_token, presented_secret
from dispatcher.api.dialect import Dialect
from dispatcher.api.dialects.emess import openapi_examples
from dispatcher.api.dialects.emess.mapping import WORDS, WRONG_PAIR, Counted, envelope
from dispatcher.api.dialects.emess.requests import Form, read_app_credentials
from dispatcher.api.idempotency import accept
from dispatcher.api.limits.logins import Presented
from dispatcher.api.operations import MountPoint, Operations, SecurityScheme
from dispatcher.api.request_body import Json, read_object
from dispatcher.api.runtime import context_of
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.errors import NotAuthenticated
from dispatcher.domain.messages.submission import AcceptedBatch
from dispatcher.service.accounts import credentials, tokens

NAME = "emess"

BEARER = SecurityScheme(
    "HTTPBearer",
    {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The token of POST /auth/token.",
    },
)

operations = Operations(security=(BEARER,))


@operations.add(
    "POST",
    "/api/v0/auth/token",
    summary="Authenticate your application and receive a Bearer token",
    request=openapi_examples.TOKEN_BODY,
    responses=openapi_examples.TOKEN_ANSWERS,
    security=(),
)
async def issue_token(request: Request) -> Response:
    """The token is valid for an hour, unless a setting says otherwise, and no longer than its application."""
    ctx, app = context_of(request), await read_app_credentials(request)
    check = credentials.by_pair(ctx, CredentialKind.APP, app.id, app.secret, dialect=NAME)
    try:
        caller = await authenticate(request, check, presented=Presented(NAME, app.secret, app.id))
    except NotAuthenticated:
        raise HTTPException(401, WRONG_PAIR) from None  # the message for a wrong token is another one
    validity = timedelta(seconds=ctx.settings.token_validity)
    return Json({"token": (await tokens.issue(ctx, caller, validity=validity)).access})


@operations.add(
    "POST",
    "/api/v0/sms/send",
    summary="Send a single SMS message",
    request=openapi_examples.SEND_BODY,
    responses=openapi_examples.SEND_ANSWERS,
)
async def send(request: Request) -> Response:
    """The response comes when the message is stored; the dispatcher then sends it."""
    ctx, caller = context_of(request), await _authenticated(request)
    submission = Form(await read_object(request)).single(caller, ctx.settings)
    return await accept(request, ctx, caller, submission, answer=_sent)


@operations.add(
    "POST",
    "/api/v0/sms/bulk",
    summary="Send the same SMS message to multiple numbers",
    request=openapi_examples.BULK_BODY,
    responses=openapi_examples.BULK_ANSWERS,
)
async def send_bulk(request: Request) -> Response:
    """Invalid phone numbers are skipped and counted; the tokens must cover all other messages."""
    ctx, caller = context_of(request), await _authenticated(request)
    submission = Form(await read_object(request)).bulk(caller, ctx.settings)
    answer = partial(_processed, submission.recipients)
    return await accept(request, ctx, caller, submission, answer=answer)


async def _authenticated(request: Request) -> Caller:
    presented = presented_secret(bearer_token(request), door=NAME)
    return await authenticate(request, _check_token(request), presented=presented)


async def _check_token(request: Request) -> Caller:
    token = bearer_token(request)
    if token is None:
        raise NotAuthenticated("the request has no token")
    return await tokens.authenticate(context_of(request), token, dialect=NAME)


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
    Return the counts of all numbers; `succeeded` and `failed` add up to `total`.

    A repeated number without a message of its own counts like the first one if both
    have the same spelling, else as succeeded.
    """
    succeeded = [message for message in batch.messages if WORDS[message.status] is Counted.SUCCEEDED]
    failed_numbers = {m.number_as_given for m in batch.messages if WORDS[m.status] is Counted.FAILED}
    failed = batch.skipped + sum(number in failed_numbers for number in numbers)
    return Json(
        {
            "message": "Bulk processing completed",
            "total": len(numbers),
            "data": [str(message.public_id) for message in succeeded],
            "succeeded": len(numbers) - failed,
            "failed": failed,
            "batchId": str(batch.public_id),
        }
    )


dialect = Dialect(
    NAME,
    title="Emess API",
    description=openapi_examples.DESCRIPTION,
    mounts=(MountPoint("/api/v0"), MountPoint("/api/v0/sms/bulk", bulk=True)),
    envelope=envelope,
    operations=operations,
    docs="/api/v0",
    challenge="Bearer",
)
