"""
Signed tokens: JWT with HS256, each with a row, so that a revoked one is refused at once.

A token is valid for one dialect, its audience. Refreshing makes the next token
of its family. A refresh token can be used once; if it is used a second time, it
was stolen. Then, and when one of its tokens is revoked, the whole family is
revoked, with all tokens that were issued with one of it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import Forbidden, Misconfigured, NotAuthenticated
from dispatcher.service.accounts.credentials import digest_of, new_secret
from dispatcher.service.context import Context
from dispatcher.store.accounts import credentials, tokens
from dispatcher.store.accounts.credentials import Holder
from dispatcher.store.accounts.tokens import SignedToken

_ALGORITHM = "HS256"
_ISSUER = "sms-dispatcher"
_INVALID = "the token is unknown, revoked or expired"


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """New tokens. `refresh` None means that the access token cannot be refreshed."""

    id: str
    access: str
    expires_at: datetime
    refresh: str | None


async def issue(
    ctx: Context,
    caller: Caller,
    *,
    validity: timedelta,
    scopes: Collection[str] | None = None,
    refresh_for: timedelta | None = None,
) -> IssuedTokens:
    """
    Return a new token for this caller, with its scopes or fewer.

    `scopes` None means all scopes of the caller. Raises Forbidden for a scope
    that the caller does not have, NotAuthenticated if its own token has just
    been revoked, and Misconfigured without DISPATCHER_JWT_SECRET.
    """
    _secret(ctx)
    if scopes is not None and caller.scopes is not None and (more := set(scopes) - caller.scopes):
        raise Forbidden(f"scope required: {', '.join(sorted(more))}")
    wanted = caller.scopes if scopes is None else frozenset(scopes) - {_ALL}
    grant = _Grant(uuid4(), caller.token_family, wanted, validity, refresh_for)

    async def work(connection: AsyncConnection) -> IssuedTokens:
        if grant.issued_by is not None and not await tokens.lock_live(connection, grant.issued_by):
            raise NotAuthenticated(_INVALID)
        return await _issue(ctx, connection, caller, grant)

    return await ctx.database.transact(work)


def is_signed(ctx: Context, token: str) -> bool:
    """Whether this is a token that we signed; it may have expired, or been revoked."""
    secret = ctx.settings.jwt_secret
    if secret is None or token.count(".") != 2:
        return False
    try:
        jwt.PyJWS().decode(token, secret.get_secret_value(), algorithms=[_ALGORITHM])
    except jwt.InvalidTokenError:
        return False
    return True


async def authenticate(ctx: Context, token: str, *, dialect: str) -> Caller:
    """Return the caller of a token. Raises NotAuthenticated for any invalid token, and Misconfigured."""
    claims = _claims(ctx, token, dialect)
    now = ctx.now()

    async def work(connection: AsyncConnection) -> tuple[SignedToken | None, Holder | None]:
        known = await tokens.find(connection, str(claims["jti"]))
        if known is None:
            return None, None
        return known, await credentials.by_id(connection, known.credential_id)

    known, holder = await ctx.database.transact(work)
    if known is None or known.revoked_at is not None or known.expires_at <= now:
        raise NotAuthenticated(_INVALID)
    return _caller(holder, known, dialect, now)


async def refresh(
    ctx: Context, secret: str, *, dialect: str, validity: timedelta, refresh_for: timedelta
) -> IssuedTokens:
    """Return new tokens for a refresh token, once. Raises NotAuthenticated, and Misconfigured."""
    _secret(ctx)
    now = ctx.now()

    async def work(connection: AsyncConnection) -> IssuedTokens | None:
        known = await tokens.by_refresh(connection, digest_of(secret))
        if known is None:
            return None
        if known.refreshed_at is not None:
            await tokens.revoke_family(connection, known.family, now=now)  # the transaction commits this
            return None
        if known.revoked_at is not None or known.refresh_until is None or known.refresh_until <= now:
            return None
        holder = await credentials.by_id(connection, known.credential_id)
        caller = _caller(holder, known, dialect, now)
        await tokens.mark_refreshed(connection, known.id, now=now)
        grant = _Grant(known.family, known.issued_by, caller.scopes, validity, refresh_for)
        return await _issue(ctx, connection, caller, grant)

    issued = await ctx.database.transact(work)
    if issued is None:
        raise NotAuthenticated(_INVALID)
    return issued


async def revoke(ctx: Context, caller: Caller, token_id: str) -> None:
    """
    Revoke a token of the caller's account, at once; an unknown token is ignored.

    The tokens that were derived from it are revoked as well: those of its family, and
    those that were issued with one of them.
    """
    now = ctx.now()

    async def work(connection: AsyncConnection) -> None:
        family = await tokens.family_of(connection, caller.account.id, token_id)
        if family is not None:
            await tokens.revoke_family(connection, family, now=now)

    await ctx.database.transact(work)


@dataclass(frozen=True, slots=True)
class _Grant:
    family: UUID
    issued_by: UUID | None
    scopes: Collection[str] | None
    validity: timedelta
    refresh_for: timedelta | None


_ALL = "*"


async def _issue(ctx: Context, connection: AsyncConnection, caller: Caller, grant: _Grant) -> IssuedTokens:
    now = ctx.now()
    secret = None if grant.refresh_for is None else new_secret()
    token = SignedToken(
        id=uuid4().hex,
        family=grant.family,
        issued_by=grant.issued_by,
        credential_id=caller.credential_id,
        scopes=[_ALL] if grant.scopes is None else sorted(grant.scopes),
        expires_at=now + grant.validity,
        refresh_until=None if grant.refresh_for is None else now + grant.refresh_for,
        refreshed_at=None,
        revoked_at=None,
    )
    digest = None if secret is None else digest_of(secret)
    await tokens.insert(connection, token, refresh_digest=digest, now=now)
    holder = await credentials.by_id(connection, caller.credential_id)
    expires = token.expires_at.replace(microsecond=0)
    claims = {
        "iss": _ISSUER,
        "aud": caller.dialect,
        "sub": holder and holder.credential.name,
        "org": caller.account.name,
        "jti": token.id,
        "iat": int(now.timestamp()),
        "exp": int(expires.timestamp()),
    }
    access = jwt.encode(claims, _secret(ctx), algorithm=_ALGORITHM)
    return IssuedTokens(token.id, access, expires, secret)


def _claims(ctx: Context, token: str, dialect: str) -> dict[str, Any]:
    """Return the claims of a token that we signed for this dialect; its row says whether it has expired."""
    try:
        claims = jwt.decode(
            token,
            _secret(ctx),
            algorithms=[_ALGORITHM],
            audience=dialect,
            issuer=_ISSUER,
            options={
                "require": ["exp", "iat", "jti", "sub"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except jwt.InvalidTokenError:
        raise NotAuthenticated(_INVALID) from None
    if not str(claims["jti"]).isprintable():  # such as NUL, which Postgres rejects
        raise NotAuthenticated(_INVALID)
    return claims


def _caller(holder: Holder | None, token: SignedToken, dialect: str, now: datetime) -> Caller:
    if holder is None or holder.account is None or not credentials.is_live(holder.credential, now):
        raise NotAuthenticated(_INVALID)
    if holder.credential.dialect != dialect:
        raise NotAuthenticated(_INVALID)
    scopes = None if _ALL in token.scopes else frozenset(token.scopes)
    return Caller(
        holder.account, dialect, holder.credential.id, holder.credential.is_test, scopes, token.family
    )


def _secret(ctx: Context) -> str:
    secret = ctx.settings.jwt_secret
    if secret is None:
        raise Misconfigured("DISPATCHER_JWT_SECRET is not set: no token can be signed")
    return secret.get_secret_value()
