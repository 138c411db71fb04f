"""
Authentication of operators: by a token, or by the name and password of a console login.

It comes before anything else of a request is validated.
"""

from fastapi import Request

from dispatcher.api.auth import (
    address_of,
    basic_credentials,
    bearer_token,
    limit_failures,
    presented_secret,
)
from dispatcher.api.limits.logins import Presented
from dispatcher.api.operations import SecurityScheme
from dispatcher.api.runtime import context_of
from dispatcher.domain.errors import NotAuthenticated
from dispatcher.service.accounts import operators
from dispatcher.service.accounts.credentials import MANAGE
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
    return await limit_failures(request, _operator(request), presented=_presented(request))


def _presented(request: Request) -> Presented | None:
    """Return the token or login that `_operator` checks."""
    if token := bearer_token(request):
        return presented_secret(token, door=MANAGE)
    try:
        login = basic_credentials(request)
    except NotAuthenticated:
        return None
    return None if login is None else Presented(MANAGE, login.password, login.name, is_password=True)


async def _operator(request: Request) -> Operator:
    ctx = context_of(request)
    if token := bearer_token(request):
        return await operators.by_token(ctx, token)
    if login := basic_credentials(request):
        if "\0" in login.name:
            raise NotAuthenticated("a login has no NUL character")
        return await operators.by_password(
            ctx,
            login.name,
            login.password,
            source=address_of(request.scope),
        )
    raise NotAuthenticated("an operator's token or console login is required")
