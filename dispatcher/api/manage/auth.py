"""
Authentication of operators: by a token, or by the name and password of a console login.

It comes before anything else of a request is validated.
"""

from fastapi import Request

from dispatcher.api.auth import basic_credentials, bearer_token, count_by_address, limit_failures
from dispatcher.api.operations import SecurityScheme
from dispatcher.api.runtime import context_of
from dispatcher.domain.errors import NotAuthenticated, RateLimited
from dispatcher.service.accounts import operators
from dispatcher.service.accounts.operators import Operator

CHALLENGE = 'Bearer realm="manage", Basic realm="manage"'
SCHEMES = (
    SecurityScheme("token", {"type": "http", "scheme": "bearer", "description": "An operator's token."}),
    SecurityScheme("login", {"type": "http", "scheme": "basic", "description": "A console login."}),
)


async def authenticate_operator(request: Request) -> Operator:
    """
    Return the operator who sends a request.

    Raises NotAuthenticated, and RateLimited for an address that has failed too often.
    """
    return await limit_failures(request, _operator(request))


async def _operator(request: Request) -> Operator:
    ctx = context_of(request)
    if token := bearer_token(request):
        return await operators.by_token(ctx, token)
    if login := basic_credentials(request):
        if "\0" in login.name:
            raise NotAuthenticated("a login has no NUL character")
        await _check_failures(request)
        return await operators.by_password(ctx, login.name, login.password)
    raise NotAuthenticated("an operator's token or console login is required")


async def _check_failures(request: Request) -> None:
    """Raise RateLimited before another guess of this address costs us an argon2 check."""
    quota = await count_by_address(request.scope, context_of(request), cost=0)
    if quota.retry_after is not None:
        raise RateLimited("too many failed logins from this address", retry_after=quota.retry_after)
