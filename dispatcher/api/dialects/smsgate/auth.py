"""Authentication: a login by HTTP Basic may do everything, a Bearer token what its scopes allow."""

from starlette.requests import Request

from dispatcher.api.auth import authenticate, basic_credentials, bearer_token, presented_secret
from dispatcher.api.limits.logins import Presented
from dispatcher.api.operations import SecurityScheme
from dispatcher.api.runtime import context_of
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.errors import Forbidden, Misconfigured, NotAuthenticated
from dispatcher.service.accounts import credentials, tokens
from dispatcher.service.context import Context

NAME = "smsgate"
EVERYTHING = "all:any"

BASIC = SecurityScheme(
    "Basic", {"type": "http", "scheme": "basic", "description": "The login and password of the account."}
)
BEARER = SecurityScheme(
    "Bearer",
    {"type": "http", "scheme": "bearer", "description": "An access token of `POST /auth/token`."},
)
SECURITY = (BASIC, BEARER)


async def authorize(request: Request, scope: str) -> Caller:
    """Return the caller, if it has this scope. Raises Forbidden in upstream's words."""
    caller = await authenticate(request, _check(request), presented=_presented(request))
    if caller.scopes is not None and scope not in caller.scopes:
        raise Forbidden(f"scope required: {scope}")
    return caller


def _presented(request: Request) -> Presented | None:
    """Return the token or login that `_check` checks."""
    if token := bearer_token(request):
        return presented_secret(token, door=NAME)
    try:
        login = basic_credentials(request)
    except NotAuthenticated:
        return None
    return None if login is None else Presented(NAME, login.password, login.name)


async def _check(request: Request) -> Caller:
    ctx = context_of(request)
    if token := bearer_token(request):
        return await _bearer(ctx, token)
    if login := basic_credentials(request):
        if not login.name.isprintable():
            raise NotAuthenticated("a login has only printable characters")
        return await credentials.by_pair(ctx, CredentialKind.LOGIN, login.name, login.password, dialect=NAME)
    raise NotAuthenticated("the request has neither a login nor a token")


async def _bearer(ctx: Context, token: str) -> Caller:
    try:
        return await tokens.authenticate(ctx, token, dialect=NAME)
    except Misconfigured:
        raise NotAuthenticated("tokens are disabled") from None
