"""Accounts, their credentials, senders and credits."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import AlreadyExists, Invalid, NotAuthenticated, NotFound
from dispatcher.domain.submission import Account, Caller
from dispatcher.service.context import Context
from dispatcher.store import accounts, ledger
from dispatcher.store.accounts import Sender

log = structlog.get_logger()

_NOTE_USE_EVERY = timedelta(minutes=1)
_MOST_CREDITS = 10**15


class CredentialKind(StrEnum):
    """Which door a credential opens."""

    BEARER = "bearer"  # SMS Scheduler


@dataclass(frozen=True, slots=True)
class NewKey:
    """A credential just made. The secret is shown once and kept nowhere."""

    id: int
    secret: str
    expires_at: datetime | None


async def authenticate(ctx: Context, kind: CredentialKind, secret: str, *, dialect: str) -> Caller:
    """Tell who holds this secret. Raises NotAuthenticated, whatever is wrong with it."""
    now = ctx.now()
    holder = await ctx.database.transact(
        lambda c: accounts.by_credential(c, kind.value, _digest(secret), now=now)
    )
    if holder is None:
        raise NotAuthenticated("the credential is unknown, revoked or expired")
    if holder.last_used_at is None or now - holder.last_used_at > _NOTE_USE_EVERY:
        await ctx.database.transact(lambda c: accounts.note_use(c, holder.credential_id, now=now))
    return Caller(holder.account, dialect)


async def create(
    ctx: Context, name: str, *, credits: int = 0, country: str | None = None, timezone: str = "UTC"
) -> Account:
    """Make an account. Raises AlreadyExists, and Invalid for a bad name, country, time zone or amount."""
    name = name.strip()
    if not name:
        raise Invalid("an account needs a name")
    _check_country(country)
    _check_timezone(timezone)
    _check_credits(credits, least=0)

    async def work(connection: AsyncConnection) -> Account:
        account_id = await accounts.insert(connection, name, country=country, timezone=timezone)
        if account_id is None:
            raise AlreadyExists(f"there is an account {name!r} already")
        if credits:
            await ledger.top_up(connection, account_id, credits, note="opening balance")
        return Account(account_id, name, credits, country, timezone)

    return await ctx.database.transact(work)


async def find(ctx: Context, name: str) -> Account:
    """Find an account by its name. Raises NotFound."""
    account = await ctx.database.transact(lambda c: accounts.by_name(c, name))
    if account is None:
        raise NotFound(f"there is no account {name!r}")
    return account


async def every(ctx: Context) -> list[Account]:
    """List all accounts, by name."""
    return await ctx.database.transact(accounts.every)


async def top_up(ctx: Context, account: Account, amount: int, *, note: str = "") -> int:
    """Add credits; give the new balance. Raises Invalid for an amount that is not above zero."""
    _check_credits(amount, least=1)
    return await ctx.database.transact(lambda c: ledger.top_up(c, account.id, amount, note=note))


async def create_key(
    ctx: Context, account: Account, kind: CredentialKind, *, validity: timedelta | None = None
) -> NewKey:
    """Make a credential; its secret is told now and never again."""
    secret = f"sms_{secrets.token_urlsafe(32)}"
    expires_at = None if validity is None else ctx.now() + validity
    key_id = await ctx.database.transact(
        lambda c: accounts.insert_credential(
            c,
            account.id,
            kind=kind.value,
            digest=_digest(secret),
            hint=secret[:8],
            expires_at=expires_at,
        )
    )
    return NewKey(key_id, secret, expires_at)


async def add_sender(ctx: Context, account: Account, name: str) -> int:
    """Add a sender ID, the first one as the default; give its number. Raises AlreadyExists and Invalid."""
    if not _is_sender(name):
        raise Invalid(
            f"{name!r} is no sender ID: up to 11 letters, digits, spaces and -_.& with a letter,"
            " or 3 to 15 digits"
        )
    sender_id = await ctx.database.transact(lambda c: accounts.insert_sender(c, account.id, name))
    if sender_id is None:
        raise AlreadyExists(f"account {account.name!r} has a sender {name!r} already")
    return sender_id


async def senders(ctx: Context, account: Account) -> list[Sender]:
    """List an account's senders, the oldest first."""
    return await ctx.database.transact(lambda c: accounts.senders(c, account.id))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _is_sender(name: str) -> bool:
    digits = name.removeprefix("+")
    if digits.isascii() and digits.isdigit():
        return 3 <= len(digits) <= 15
    allowed = all(c.isascii() and (c.isalnum() or c in " -_.&") for c in name)
    return 1 <= len(name) <= 11 and name == name.strip() and allowed and any(c.isalpha() for c in name)


def _check_country(country: str | None) -> None:
    if country is not None and not (len(country) == 2 and country.isascii() and country.isupper()):
        raise Invalid(f"{country!r} is no country: give two capital letters, such as KE")


def _check_timezone(timezone: str) -> None:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(f"{timezone!r} is no time zone: give a name such as Europe/Paris") from None


def _check_credits(amount: int, *, least: int) -> None:
    if not least <= amount <= _MOST_CREDITS:
        raise Invalid(f"{amount} is no amount of credits: give {least} to {_MOST_CREDITS}")
