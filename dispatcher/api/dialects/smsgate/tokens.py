"""Tokens: issued to the holder of a login, with fewer rights and for a quarter of an hour."""

from datetime import timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dispatcher.api.auth import bearer_token, limit_failures
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

LONGEST = timedelta(minutes=15)
"""The longest validity of an access token."""

REFRESHED_FOR = timedelta(hours=720)
"""The validity of its refresh token."""

DISABLED = "token service disabled, contact your administrator"

_MOST_SCOPES = 100
_LONGEST_SCOPE = 100


@operations.add(
    "POST",
    "/token",
    summary="Generate a token",
    request=openapi_examples.ISSUE,
    responses=openapi_examples.ISSUED,
)
async def issue(request: Request) -> Response:
    """A `ttl` of 0, or none, gives the longest there is. A scope that nobody knows opens nothing."""
    ctx, caller = context_of(request), await authorize(request, "tokens:manage")
    form = Form(await read_object(request))
    ttl = form.integer("ttl", least=0) or LONGEST.total_seconds()
    scopes = form.strings("scopes", most=_MOST_SCOPES, longest=_LONGEST_SCOPE)
    if not all(scope.isprintable() for scope in scopes):
        form.faults.append("scopes must be printable")
    form.check()
    if EVERYTHING in scopes and caller.scopes is not None:
        raise Forbidden(f"scope required: {EVERYTHING}")
    try:
        issued = await tokens.issue(
            ctx,
            caller,
            validity=timedelta(seconds=min(ttl, LONGEST.total_seconds())),
            scopes=None if EVERYTHING in scopes else scopes,
            refresh_for=REFRESHED_FOR,
        )
    except Misconfigured:
        raise HTTPException(501, DISABLED) from None
    return _shown(issued)


@operations.add(
    "POST",
    "/token/refresh",
    summary="Refresh a token",
    responses=openapi_examples.REFRESHED,
    security=(BEARER,),
)
async def refresh(request: Request) -> Response:
    """A refresh token is used once; when it comes again, all that came of it is revoked."""
    try:
        return _shown(await limit_failures(request, _refreshed(request)))
    except Misconfigured:
        raise HTTPException(501, DISABLED) from None


@operations.add("DELETE", "/token/{token_id}", summary="Revoke a token", responses=openapi_examples.REVOKED)
async def revoke(request: Request) -> Response:
    """At once. A token that is not there is revoked enough."""
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
    return await tokens.refresh(ctx, token, dialect=NAME, validity=LONGEST, refresh_for=REFRESHED_FOR)


def _shown(issued: IssuedTokens) -> Response:
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
