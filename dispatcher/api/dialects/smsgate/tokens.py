"""Tokens: given to who has a login, with fewer rights, for a quarter of an hour; refreshed, revoked."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from dispatcher.api.admission import guarded
from dispatcher.api.body import read_object
from dispatcher.api.dialects.smsgate import samples
from dispatcher.api.dialects.smsgate.access import EVERYTHING, NAME, Needs, Shown, bearer
from dispatcher.api.dialects.smsgate.form import Form
from dispatcher.api.dialects.smsgate.moments import written
from dispatcher.api.door import Json
from dispatcher.api.runtime import Ctx
from dispatcher.domain.errors import Forbidden, Misconfigured, NotAuthenticated
from dispatcher.domain.submission import Caller
from dispatcher.service import tokens
from dispatcher.service.context import Context
from dispatcher.service.tokens import Issued

router = APIRouter(tags=["Tokens"])

LONGEST = timedelta(minutes=15)
"""How long an access token is good at most."""

REFRESHED_FOR = timedelta(hours=720)
"""How long its refresh token is."""

DISABLED = "token service disabled, contact your administrator"

_MOST_SCOPES = 100
_LONGEST_SCOPE = 100

Manager = Annotated[Caller, Depends(Needs("tokens:manage"))]


@router.post(
    "/token",
    summary="Generate a token",
    status_code=201,
    responses=samples.ISSUED,
    openapi_extra=samples.ISSUE,
)
async def issue(request: Request, ctx: Ctx, caller: Manager) -> Response:
    """A `ttl` of 0, or none, gives the longest there is. A scope that nobody knows opens nothing."""
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


@router.post("/token/refresh", summary="Refresh a token", status_code=201, responses=samples.REFRESHED)
async def refresh(request: Request, ctx: Ctx, shown: Annotated[Shown, Depends(bearer)]) -> Response:
    """A refresh token is used once; when it comes again, all that came of it is revoked."""
    try:
        return _shown(await guarded(request, ctx, _refreshed(ctx, shown)))
    except Misconfigured:
        raise HTTPException(501, DISABLED) from None


@router.delete("/token/{token_id}", summary="Revoke a token", status_code=204, responses=samples.REVOKED)
async def revoke(token_id: str, ctx: Ctx, caller: Manager) -> Response:
    """At once. A token that is not there is revoked enough."""
    if token_id.isprintable():
        await tokens.revoke(ctx, caller, token_id)
    return Response(status_code=204)


async def _refreshed(ctx: Context, shown: Shown) -> Issued:
    if shown is None:
        raise NotAuthenticated("the request has no refresh token")
    return await tokens.refresh(
        ctx, shown.credentials.strip(), dialect=NAME, validity=LONGEST, refresh_for=REFRESHED_FOR
    )


def _shown(issued: Issued) -> Response:
    """Write both spellings: the Go and TypeScript clients read the first, the Python client the second."""
    expires = written(issued.expires_at)
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
