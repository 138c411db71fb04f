"""
Operators: authentication by token or password, and console logins.

Passwords are stored as argon2 hashes. An unknown name takes the same steps as
a wrong password.
"""

from dataclasses import dataclass

from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.errors import Invalid
from dispatcher.service.accounts.credentials import (
    MANAGE,
    check_name,
    find_by_name,
    find_by_secret,
    new_key,
    note_use,
    require_live,
)
from dispatcher.service.context import Context
from dispatcher.store.accounts import credentials
from dispatcher.store.accounts.credentials import NewCredential

_SHORTEST_PASSWORD = 12


@dataclass(frozen=True, slots=True)
class Operator:
    """A person or program that runs the dispatcher."""

    credential_id: int
    name: str


async def by_token(ctx: Context, secret: str) -> Operator:
    """Return the operator with this token. Raises NotAuthenticated, and CredentialExpired."""
    holder = await find_by_secret(ctx, CredentialKind.BEARER, secret, MANAGE)
    return Operator(holder.credential.id, holder.credential.name or f"token {holder.credential.id}")


async def by_password(
    ctx: Context,
    name: str,
    password: str,
    *,
    source: str = "",
) -> Operator:
    """
    Return the operator with this login. Raises NotAuthenticated, and RateLimited.

    A check takes some 50 ms on purpose, and few wait of one `source`: of each known name
    there, and of all others. A password that was right a short while ago is not checked.
    """
    holder = await ctx.database.transact(lambda c: find_by_name(c, CredentialKind.CONSOLE, MANAGE, name))
    known = holder.password_hash if holder else None
    if known is None:
        await ctx.passwords.is_right(None, password, source=source)
    elif not ctx.passwords.remembers(known, password):
        is_right = await ctx.passwords.is_right(known, password, source=f"{source} {name}")
        holder = holder if is_right else None
    holder = require_live(holder, ctx.now())
    await ctx.database.transact(lambda c: note_use(ctx, c, holder))
    return Operator(holder.credential.id, name)


async def create(ctx: Context, name: str, password: str) -> int:
    """Create a console login and return its id. Raises AlreadyExists, and Invalid for a short password."""
    if len(password) < _SHORTEST_PASSWORD:
        raise Invalid(f"a password has at least {_SHORTEST_PASSWORD} characters, not {len(password)}")
    new = NewCredential(
        account_id=None,
        kind=CredentialKind.CONSOLE,
        dialect=MANAGE,
        name=check_name(name),
        digest=None,
        password_hash=await ctx.passwords.hash(password),
        hint="",
        is_test=False,
        expires_at=None,
    )
    made = await ctx.database.transact(lambda c: credentials.insert(c, new))
    return new_key(made, new, "").id
