"""
Letting a request in: authenticated, and within its rate limit.

A good credential has a bucket of its own; whatever comes without one counts
against the address it comes from, so that guessing has an end.
"""

from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request
from starlette.types import Scope

from dispatcher.domain.errors import NotAuthenticated, RateLimited
from dispatcher.domain.quota import Quota
from dispatcher.domain.submission import Caller
from dispatcher.service.context import Context

T = TypeVar("T")


async def admit(
    request: Request, ctx: Context, checking: Awaitable[Caller], *, per_minute: int | None = None
) -> Caller:
    """
    Wait for a check of credentials and count the request.

    The account's own rate comes first, then the dialect's `per_minute`, then
    the setting. Raises what the check raises, and RateLimited.
    """
    caller = await guarded(request, ctx, checking)
    rate = caller.account.limits.rate or per_minute or ctx.settings.rate_limit
    _note(request, await ctx.limits.take(f"credential:{caller.credential_id}", per_minute=rate))
    return caller


async def guarded(request: Request, ctx: Context, checking: Awaitable[T]) -> T:
    """Wait for a check of credentials; one that fails counts against the address. Raises RateLimited."""
    try:
        return await checking
    except NotAuthenticated:
        _note(request, await by_address(request.scope, ctx))
        raise


async def by_address(scope: Scope, ctx: Context, *, cost: int = 1) -> Quota:
    """Count a request without a good credential; cost 0 only looks."""
    client = scope.get("client")
    address = client[0] if client else "unknown"
    return await ctx.limits.take(f"address:{address}", per_minute=ctx.settings.address_rate_limit, cost=cost)


def _note(request: Request, quota: Quota) -> None:
    request.state.quota = quota
    if quota.retry_after is not None:
        raise RateLimited("too many requests", retry_after=quota.retry_after)
