"""
Authentication and rate limits.

An account has a limit in each dialect, whichever of its credentials a request
has; test credentials have one apart. A request without one counts against
the address that it comes from, which limits guessing.
"""

import asyncio
import time
from base64 import b64decode
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.types import Scope

from dispatcher.api.limits.logins import Presented
from dispatcher.api.runtime import context_of, runtime
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.accounts.rate_limit import RateLimitStatus
from dispatcher.domain.errors import NotAuthenticated, RateLimited
from dispatcher.service.context import Context

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Authorization:
    """The Authorization header of a request, the scheme in lower case; a part that is missing is empty."""

    scheme: str
    credentials: str


@dataclass(frozen=True, slots=True)
class BasicCredentials:
    """The name and password of HTTP Basic."""

    name: str
    password: str


def read_authorization(request: Request) -> Authorization:
    """Return the Authorization header."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    return Authorization(scheme.lower(), credentials.strip())


def bearer_token(request: Request) -> str | None:
    """Return the Bearer token of a request; None if it has none."""
    header = read_authorization(request)
    return (header.credentials or None) if header.scheme == "bearer" else None


def basic_credentials(
    request: Request, *, charset: str = "utf-8", strict: bool = True
) -> BasicCredentials | None:
    """
    Return the name and password of HTTP Basic; None if the request does not use it.

    Raises NotAuthenticated if the header cannot be read. Without `strict`,
    characters that are not part of Base64 are ignored.
    """
    header = read_authorization(request)
    if header.scheme != "basic":
        return None
    try:
        decoded = b64decode(header.credentials, validate=strict).decode(charset)
    except ValueError:
        decoded = ""
    name, colon, password = decoded.partition(":")
    if not colon:
        raise NotAuthenticated("the Authorization header has no valid name and password for HTTP Basic")
    return BasicCredentials(name, password)


async def authenticate(
    request: Request,
    check: Coroutine[Any, Any, Caller],
    *,
    presented: Presented | None,
    per_minute: int | None = None,
) -> Caller:
    """
    Return the caller that `check` finds, and count the request.

    The limit is the account's own rate, else the dialect's `per_minute`, else the
    setting. Raises what `check` raises, and RateLimited.
    """
    caller = await limit_failures(request, check, presented=presented)
    request.state.body.trust((caller.account.id, caller.dialect))
    request.state.caller = {"account": caller.account.id, "credential": caller.credential_id}
    ctx = context_of(request)
    rate = caller.account.limits.rate or per_minute or ctx.settings.rate_limit
    kind = "test" if caller.is_test else "live"
    bucket = f"account:{caller.account.id}:{caller.dialect}:{kind}"
    _record(request, await ctx.limits.take(bucket, per_minute=rate))
    return caller


async def limit_failures(
    request: Request, check: Coroutine[Any, Any, T], *, presented: Presented | None
) -> T:
    """
    Return what `check` finds; NotAuthenticated counts against the address. Raises RateLimited.

    `presented` is what `check` checks; None if the request has no credential,
    which `check` then refuses without a query. One that may be valid, as far as
    memory says, is checked whatever its address did. Any other is not checked
    while its address has failed too often: with all keys, and with one name or
    all names.
    """
    try:
        if presented is None or await _may_be_valid(request, presented):
            return await _counted(request, check, presented)
        async with runtime(request).logins.turn(address_of(request.scope)):
            await _require_quota(request, _own_bucket(request, presented))
            names = await _quota(request, _names_bucket(request)) if presented.name else None
            if names is None or names.retry_after is None:
                return await _counted(request, check, presented)
        return await _beside_guesses(request, check, presented, names)
    finally:
        check.close()  # of one that was not checked; nothing of one that has ended


async def _may_be_valid(request: Request, presented: Presented) -> bool:
    """Whether this credential was valid before, or is a secret that is in use: without a query of its own."""
    opened = runtime(request)
    if opened.logins.remembers(presented):
        return True
    if presented.is_password or opened.logins.was_refused(presented):
        return False
    return await opened.secrets.includes(opened.ctx, presented.secret)


_ALIKE = 1.0  # seconds until the answer, so that its time does not show whether the name is one of ours


async def _beside_guesses(
    request: Request, check: Awaitable[T], presented: Presented, names: RateLimitStatus
) -> T:
    """
    Return what `check` finds of a password, though its address has guessed too many names.

    It is checked if there is such a login, and fails in the same way if there is none.
    Raises RateLimited.
    """
    opened, started = runtime(request), time.perf_counter()
    if presented.is_password and await opened.secrets.includes_login(opened.ctx, presented.name):
        with suppress(NotAuthenticated, RateLimited):
            return await _counted(request, check, presented)
    if presented.is_password:
        await asyncio.sleep(started + _ALIKE - time.perf_counter())
    request.state.quota = names
    raise RateLimited("too many failed logins", retry_after=names.retry_after or timedelta(seconds=1))


def _own_bucket(request: Request, presented: Presented) -> str:
    """Return the bucket of an address's failures with this name, or without one."""
    address = address_of(request.scope)
    if not presented.name:
        return f"failures:{address}"
    return f"failures:{address}:{sha256(presented.name.encode('utf-8', 'replace')).hexdigest()}"


def _names_bucket(request: Request) -> str:
    """Return the bucket of an address's failures with all names."""
    return f"names:{address_of(request.scope)}"


async def _quota(request: Request, bucket: str, *, cost: int = 0) -> RateLimitStatus:
    ctx = context_of(request)
    return await ctx.limits.take(bucket, per_minute=ctx.settings.address_rate_limit, cost=cost)


async def _require_quota(request: Request, bucket: str) -> None:
    """Raise RateLimited if the address has failed too often."""
    found = await _quota(request, bucket)
    if found.retry_after is not None:
        request.state.quota = found
        raise RateLimited("too many failed logins", retry_after=found.retry_after)


async def _counted(request: Request, check: Awaitable[T], presented: Presented | None) -> T:
    """Return what `check` finds, and note whether the credential is valid."""
    logins, ctx = runtime(request).logins, context_of(request)
    try:
        found = await check
    except NotAuthenticated as error:
        if presented is not None:
            logins.note_failure(presented, address_of(request.scope), error)
            ctx.failed_logins.note(address_of(request.scope), now=ctx.now())
            await _count_failure(request, presented)
        _record(request, await count_by_address(request.scope, ctx))
        raise
    except RateLimited:  # too many passwords wait: the next ones of this address cost no query
        if presented is not None and presented.is_password:
            await _count_failure(request, presented)
        raise
    if presented is not None:
        logins.note_valid(presented)
    return found


async def _count_failure(request: Request, presented: Presented) -> None:
    """Count a failure against the address: with this name, and with all names."""
    await _quota(request, _own_bucket(request, presented), cost=1)
    if presented.name:
        await _quota(request, _names_bucket(request), cost=1)


def presented_secret(secret: str | None, *, door: str) -> Presented | None:
    """Return what a request presents with a key or token; None without one."""
    return Presented(door, secret) if secret else None


async def count_by_address(scope: Scope, ctx: Context, *, cost: int = 1) -> RateLimitStatus:
    """Return the quota of an address, after a request without a valid credential; cost 0 only reads it."""
    return await ctx.limits.take(
        f"address:{address_of(scope)}", per_minute=ctx.settings.address_rate_limit, cost=cost
    )


def address_of(scope: Scope) -> str:
    """
    Return the address that a request's failures are counted for.

    A provider gives each customer a whole /64 of IPv6 addresses, so these count as one.
    """
    client = scope.get("client")
    if client is None:
        return "unknown"
    try:
        address = ip_address(client[0])
    except ValueError:
        return str(client[0])
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address.packed[:8] + bytes(8), 64)))


def _record(request: Request, quota: RateLimitStatus) -> None:
    request.state.quota = quota
    if quota.retry_after is not None:
        raise RateLimited("too many requests", retry_after=quota.retry_after)
