"""Tokens: issued for a login, with limited rights, and valid for up to 15 minutes."""

from datetime import timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.auth import bearer_token, limit_failures, presented_secret
from dispatcher.api.dialects.smsgate import openapi_examples
from dispatcher.api.dialects.smsgate.auth import BEARER, EVERYTHING, NAME, SECURITY, authorize
from dispatcher.api.dialects.smsgate.mapping import write_time
from dispatcher.api.dialects.smsgate.requests import Form
from dispatcher.api.operations import Operations
from dispatcher.api.request_body import Json, read_object
from dispatcher.api.runtime import context_of
from dispatcher.domain.errors import Forbidden, Misconfigured, NotAuthenticated
from dispatcher.service.accounts import tokens
from dispatcher.service.accounts.tokens import IssuedTokens

operations = Operations(tags=["Tokens"], security=SECURITY)

MAX_VALIDITY = timedelta(minutes=15)
"""The longest validity of an access token."""

REFRESHED_FOR = timedelta(hours=720)
"""The validity of a refresh token."""

DISABLED = "token service disabled, contact your administrator"

_MAX_SCOPES = 100
_MAX_SCOPE_LENGTH = 100


@operations.add(
    "POST",
    "/token",
    summary="Generate a token",
    request=openapi_examples.ISSUE,
    responses=openapi_examples.ISSUED,
)
async def issue(request: Request) -> Response:
    """A `ttl` of 0, or none, is the longest validity. An unknown scope has no effect."""
    ctx, caller = context_of(request), await authorize(request, "tokens:manage")
    form = Form(await read_object(request))
    ttl = form.integer("ttl", minimum=0) or MAX_VALIDITY.total_seconds()
    scopes = form.strings("scopes", maximum=_MAX_SCOPES, max_length=_MAX_SCOPE_LENGTH)
    if not all(scope.isprintable() for scope in scopes):
        form.faults.append("scopes must be printable")
    form.check()
    if EVERYTHING in scopes and caller.scopes is not None:
        raise Forbidden(f"scope required: {EVERYTHING}")
    try:
        issued = await tokens.issue(
            ctx,
            caller,
            validity=timedelta(seconds=min(ttl, MAX_VALIDITY.total_seconds())),
            scopes=None if EVERYTHING in scopes else scopes,
            refresh_for=REFRESHED_FOR,
        )
    except Misconfigured:
        raise HTTPException(501, DISABLED) from None
    return _token_response(issued)


@operations.add(
    "POST",
    "/token/refresh",
    summary="Refresh a token",
    responses=openapi_examples.REFRESHED,
    security=(BEARER,),
)
async def refresh(request: Request) -> Response:
    """A refresh token can be used once; if it is used again, all tokens issued from it are revoked."""
    try:
        presented = presented_secret(bearer_token(request), door=NAME)
        issued = await limit_failures(request, _refreshed(request), presented=presented)
    except Misconfigured:
        raise HTTPException(501, DISABLED) from None
    return _token_response(issued)


@operations.add("DELETE", "/token/{token_id}", summary="Revoke a token", responses=openapi_examples.REVOKED)
async def revoke(request: Request) -> Response:
    """With immediate effect. An unknown token is no error."""
    ctx, caller = context_of(request), await authorize(request, "tokens:manage")
    token_id = request.path_params["token_id"]
    if token_id.isprintable():
        await tokens.revoke(ctx, caller, token_id)
    return Response(status_code=204)


async def _refreshed(request: Request) -> IssuedTokens:
    token = bearer_token(request)
    if token is None:
        raise NotAuthenticated("the request has no refresh token")
    ctx = context_of(request)
    return await tokens.refresh(ctx, token, dialect=NAME, validity=MAX_VALIDITY, refresh_for=REFRESHED_FOR)


def _token_response(issued: IssuedTokens) -> Response:
    """Return both spellings: the Go and TypeScript clients read the first, the Python client the second."""
    expires = write_time(issued.expires_at)
    body = {
        "id": issued.id,
        "token_type": "Bearer",
        "access_token": issued.access,
        "refresh_token": issued.refresh,
        "expires_at": expires,
        "tokenType": "Bearer",
        "accessToken": issued.access,
        "refreshToken": issued.refresh,
        "expiresAt": expires,
    }
    return Json(body, 201, headers={"Cache-Control": "no-store"})
