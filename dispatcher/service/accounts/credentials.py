"""
Credentials of accounts and operators: create, show once, authenticate, revoke.

A generated secret has 256 random bits, so its SHA-256 is stored and no request
computes a slow hash; passwords that people choose are in `operators`. An
unknown name takes the same steps as a wrong secret.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.errors import AlreadyExists, CredentialExpired, Invalid, NotAuthenticated, NotFound
from dispatcher.service.context import Batched, Context
from dispatcher.store.accounts import credentials
from dispatcher.store.accounts.credentials import Credential, Holder, NewCredential

MANAGE = "manage"
"""The dialect of operators, who have no account and see all of them."""

_NOTE_USE_EVERY = timedelta(minutes=1)
_HINT = 12
_LONGEST = 200
_UNKNOWN_DIGEST = hashlib.sha256(secrets.token_bytes(32)).digest()


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new credential. The secret is shown once and not stored; `name` is its public half."""

    id: int
    name: str | None
    secret: str
    expires_at: datetime | None


async def create(
    ctx: Context,
    account: Account | None,
    kind: CredentialKind,
    *,
    dialect: str,
    name: str | None = None,
    validity: timedelta | None = None,
    is_test: bool = False,
) -> NewKey:
    """
    Return a new credential; without an account it is an operator's.

    Without `name`, one is generated for the kinds that have one. Raises
    AlreadyExists if the name is taken, Invalid if it cannot be used.
    """
    new, secret = _new_credential(
        ctx, account, kind, dialect=dialect, name=name, validity=validity, is_test=is_test
    )
    made = await ctx.database.transact(lambda c: credentials.insert(c, new))
    return new_key(made, new, secret)


async def regenerate(
    ctx: Context, caller: Caller, kind: CredentialKind, *, validity: timedelta | None
) -> NewKey:
    """
    Return a new credential that replaces all of its kind that the caller's account has for the dialect.

    A caller with a test credential gets a test credential, and replaces only those.
    """
    new, secret = _new_credential_of(ctx, caller, kind, validity)

    async def work(connection: AsyncConnection) -> int | None:
        await credentials.lock_account(connection, caller.account.id)
        await _revoke_kind(ctx, connection, caller, kind)
        return await credentials.insert(connection, new)

    return new_key(await ctx.database.transact(work), new, secret)


async def generate(
    ctx: Context, caller: Caller, kind: CredentialKind, *, validity: timedelta | None
) -> NewKey:
    """
    Return the only credential of its kind that the caller's account has for the dialect.

    It is a test credential if the caller's is. Raises AlreadyExists while there is an active one.
    """
    new, secret = _new_credential_of(ctx, caller, kind, validity)

    async def work(connection: AsyncConnection) -> int | None:
        await credentials.lock_account(connection, caller.account.id)
        # This also revokes expired ones; if one was active, the exception rolls all of it back.
        if await _revoke_kind(ctx, connection, caller, kind):
            raise AlreadyExists("there is an active key already; regenerate or revoke it")
        return await credentials.insert(connection, new)

    return new_key(await ctx.database.transact(work), new, secret)


async def revoke_all(ctx: Context, caller: Caller, kind: CredentialKind) -> None:
    """
    Revoke the credentials of a kind that the caller's account has for the dialect, at once.

    A caller with a test credential revokes only test ones. Raises NotFound if none was active.
    """
    if not await ctx.database.transact(lambda c: _revoke_kind(ctx, c, caller, kind)):
        raise NotFound("there is no active key")


async def revoke(ctx: Context, account: Account | None, credential_id: int) -> None:
    """Revoke one credential, at once. Raises NotFound."""
    owner, now = _id(account), ctx.now()
    if not await ctx.database.transact(lambda c: credentials.revoke(c, owner, credential_id, now=now)):
        raise NotFound(f"there is no credential {credential_id} that is not revoked")


async def page(
    ctx: Context, account: Account | None, *, after: int = 0, limit: int = 100
) -> list[Credential]:
    """Return an account's credentials, or the operators', including revoked ones."""
    owner = _id(account)
    return await ctx.database.transact(lambda c: credentials.page(c, owner, after=after, limit=limit))


async def by_secret(ctx: Context, kind: CredentialKind, secret: str, *, dialect: str) -> Caller:
    """Return the caller with this secret. Raises NotAuthenticated, and CredentialExpired."""
    return _caller(await find_by_secret(ctx, kind, secret, dialect), dialect)


async def by_pair(ctx: Context, kind: CredentialKind, name: str, secret: str, *, dialect: str) -> Caller:
    """Return the caller with this name and secret. Raises NotAuthenticated if either is wrong."""

    async def work(connection: AsyncConnection) -> Holder | None:
        holder = await find_by_name(connection, kind, dialect, name)
        known = holder.digest if holder and holder.digest else _UNKNOWN_DIGEST
        is_right = hmac.compare_digest(digest_of(secret), known)
        return await note_use(ctx, connection, holder) if is_right else None

    return _caller(require_live(await ctx.database.transact(work), ctx.now()), dialect)


def digest_of(secret: str) -> bytes:
    """Return the digest that is stored of a generated secret."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def new_secret() -> str:
    """Return a secret of 256 random bits."""
    return f"sms_{secrets.token_urlsafe(32)}"


async def find_by_secret(ctx: Context, kind: CredentialKind, secret: str, dialect: str) -> Holder:
    """Return the holder of a secret. Raises NotAuthenticated, and CredentialExpired."""
    holder = await ctx.batcher(_LOOKUP).run(digest_of(secret))
    if holder is not None and (holder.credential.kind, holder.credential.dialect) != (kind, dialect):
        holder = None
    return require_live(holder, ctx.now())


async def _find_by_digests(ctx: Context, digests: Sequence[bytes]) -> list[Holder | None]:
    """Return the holders of secrets that were presented at the same moment, by one statement."""

    async def work(connection: AsyncConnection) -> dict[bytes, Holder]:
        found = await credentials.by_digests(connection, set(digests))
        for holder in found.values():
            await note_use(ctx, connection, holder)
        return found

    found = await ctx.database.transact(work)
    return [found.get(digest) for digest in digests]


_LOOKUP = Batched(_find_by_digests)


async def find_by_name(
    connection: AsyncConnection, kind: CredentialKind, dialect: str, name: str
) -> Holder | None:
    """Return the holder of a name; None for an invalid one, which Postgres may reject (NUL)."""
    return await credentials.by_name(connection, kind, dialect, name) if _is_name(name) else None


async def note_use(ctx: Context, connection: AsyncConnection, holder: Holder | None) -> Holder | None:
    """Note a credential's use, at most once a minute, and return its holder."""
    now = ctx.now()
    if holder is not None and credentials.is_live(holder.credential, now):
        last = holder.credential.last_used_at
        if last is None or now - last > _NOTE_USE_EVERY:
            await credentials.record_use(connection, holder.credential.id, now=now)
    return holder


def require_live(holder: Holder | None, now: datetime) -> Holder:
    """Return the holder. Raises NotAuthenticated if there is none, and CredentialExpired."""
    if holder is None or holder.credential.revoked_at is not None:
        raise NotAuthenticated("the credential is unknown or revoked")
    if credentials.is_expired(holder.credential, now):
        raise CredentialExpired("the credential has expired")
    return holder


def _caller(holder: Holder, dialect: str) -> Caller:
    assert holder.account is not None, "a credential of a dialect has an account"
    return Caller(holder.account, dialect, holder.credential.id, holder.credential.is_test)


def _new_credential_of(
    ctx: Context, caller: Caller, kind: CredentialKind, validity: timedelta | None
) -> tuple[NewCredential, str]:
    return _new_credential(
        ctx, caller.account, kind, dialect=caller.dialect, validity=validity, is_test=caller.is_test
    )


async def _revoke_kind(
    ctx: Context, connection: AsyncConnection, caller: Caller, kind: CredentialKind
) -> int:
    return await credentials.revoke_kind(
        connection,
        caller.account.id,
        kind,
        dialect=caller.dialect,
        is_test=caller.is_test,
        now=ctx.now(),
    )


def _new_credential(
    ctx: Context,
    account: Account | None,
    kind: CredentialKind,
    *,
    dialect: str,
    name: str | None = None,
    validity: timedelta | None = None,
    is_test: bool = False,
) -> tuple[NewCredential, str]:
    secret = new_secret()
    if name is None and kind.has_name:
        name = f"{kind.value}_{secrets.token_hex(8)}"
    new = NewCredential(
        account_id=_id(account),
        kind=kind,
        dialect=dialect,
        name=None if name is None else check_name(name),
        digest=digest_of(secret),
        password_hash=None,
        hint=secret[:_HINT],
        is_test=is_test,
        expires_at=None if validity is None else ctx.now() + validity,
    )
    return new, secret


def _id(account: Account | None) -> int | None:
    return None if account is None else account.id


def new_key(made: int | None, new: NewCredential, secret: str) -> NewKey:
    """Return a credential that was inserted with the id `made`. Raises AlreadyExists if that is None."""
    if made is None:
        raise AlreadyExists(f"the name {new.name!r} is taken")
    return NewKey(made, new.name, secret, new.expires_at)


def check_name(name: str) -> str:
    """Return a valid name of a credential. Raises Invalid."""
    if not _is_name(name):
        raise Invalid(
            f"{name[:_LONGEST]!r} is not a valid credential name: 1 to {_LONGEST} characters, no ':'"
        )
    return name


def _is_name(name: str) -> bool:
    return 1 <= len(name) <= _LONGEST and name == name.strip() and name.isprintable() and ":" not in name
