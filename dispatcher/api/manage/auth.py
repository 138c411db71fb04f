"""
Authentication of operators: by a token, or by the name and password of a console login.

It comes before anything else of a request is validated.
"""

from functools import partial
from hashlib import sha256

from fastapi import Request

from dispatcher.api.auth import address_of, basic_credentials, bearer_token, limit_failures
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
        return await operators.by_password(
            ctx,
            login.name,
            login.password,
            source=address_of(request.scope),
            before_check=partial(_count_login, request, login.name),
        )
    raise NotAuthenticated("an operator's token or console login is required")


async def _count_login(request: Request, name: str) -> None:
    """
    Count the check of a password, whatever its result; it costs us an argon2 hash.

    It is counted for address and name: guesses keep out neither the same person
    elsewhere nor others behind the same address. Raises RateLimited.
    """
    ctx = context_of(request)
    digest = sha256(name.encode("utf-8", "replace")).hexdigest()
    quota = await ctx.limits.take(
        f"login:{address_of(request.scope)}:{digest}", per_minute=ctx.settings.address_rate_limit
    )
    if quota.retry_after is not None:
        raise RateLimited("too many logins with this name from this address", retry_after=quota.retry_after)
