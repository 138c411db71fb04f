"""Who asks: a login by HTTP Basic may do everything, a token by Bearer what its scopes say."""

import binascii
from base64 import b64decode
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.http import HTTPBase

from dispatcher.api.admission import admit
from dispatcher.api.runtime import Ctx
from dispatcher.domain.credential import CredentialKind
from dispatcher.domain.errors import Forbidden, Misconfigured, NotAuthenticated
from dispatcher.domain.submission import Caller
from dispatcher.service import credentials, tokens
from dispatcher.service.context import Context

NAME = "smsgate"
EVERYTHING = "all:any"

Shown = HTTPAuthorizationCredentials | None

_basic = HTTPBase(
    scheme="basic",
    scheme_name="Basic",
    auto_error=False,
    description="The login and password of the account.",
)
bearer = HTTPBearer(
    scheme_name="Bearer", auto_error=False, description="An access token of `POST /auth/token`."
)


async def _caller(
    request: Request,
    ctx: Ctx,
    shown: Annotated[Shown, Depends(_basic)],
    _: Annotated[Shown, Depends(bearer)],  # read by _basic too; named for the OpenAPI
) -> Caller:
    return await admit(request, ctx, _holder(ctx, shown))


class Needs:
    """A dependency: the caller, if it may do this. Raises Forbidden in upstream's words."""

    def __init__(self, scope: str) -> None:
        self._scope = scope

    async def __call__(self, caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        """Give the caller."""
        if caller.scopes is not None and self._scope not in caller.scopes:
            raise Forbidden(f"scope required: {self._scope}")
        return caller


async def _holder(ctx: Context, shown: Shown) -> Caller:
    match shown and shown.scheme.lower():
        case "basic":
            name, secret = _pair(shown.credentials if shown else "")
            return await credentials.by_pair(ctx, CredentialKind.LOGIN, name, secret, dialect=NAME)
        case "bearer":
            return await _bearer(ctx, shown.credentials.strip() if shown else "")
    raise NotAuthenticated("the request has neither a login nor a token")


async def _bearer(ctx: Context, token: str) -> Caller:
    try:
        return await tokens.authenticate(ctx, token, dialect=NAME)
    except Misconfigured:
        raise NotAuthenticated("there are no tokens here") from None


def _pair(encoded: str) -> tuple[str, str]:
    """Read a login and a password. Raises NotAuthenticated for what can be none."""
    try:
        name, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise NotAuthenticated("the login cannot be read") from None
    if not colon or not name.isprintable():
        raise NotAuthenticated("the login cannot be read")
    return name, secret
