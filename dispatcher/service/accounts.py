"""Accounts: their limits, senders and credits."""

from dataclasses import replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import AlreadyExists, Invalid, NotFound
from dispatcher.domain.submission import Account, AccountLimits
from dispatcher.service.context import Context
from dispatcher.store import accounts, ledger
from dispatcher.store.accounts import Sender
from dispatcher.store.ledger import Entry

_MOST_CREDITS = 10**15
_LONGEST_NAME = 100


async def create(
    ctx: Context, name: str, *, credits: int = 0, country: str | None = None, timezone: str = "UTC"
) -> Account:
    """Make an account. Raises AlreadyExists, and Invalid for a bad name, country, time zone or amount."""
    name = name.strip()
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise Invalid(f"an account's name has 1 to {_LONGEST_NAME} printable characters")
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


async def limit(ctx: Context, account: Account, limits: AccountLimits) -> Account:
    """Set what an account may not do, all of it anew. Raises Invalid."""
    for country in limits.countries or ():
        _check_country(country)
    if limits.rate is not None and limits.rate < 1:
        raise Invalid(f"{limits.rate} is no rate: give the requests a minute, 1 or more")
    if limits.daily is not None and limits.daily < 0:
        raise Invalid(f"{limits.daily} is no daily cap: give the messages a day, 0 or more")
    await ctx.database.transact(lambda c: accounts.limit(c, account.id, limits))
    return replace(account, limits=limits)


async def pause(ctx: Context, account: Account, *, paused: bool = True) -> Account:
    """Refuse what an account submits from now on, or take it again; what was accepted goes on."""
    await ctx.database.transact(lambda c: accounts.pause(c, account.id, paused=paused))
    return replace(account, paused=paused)


async def statement(
    ctx: Context, account: Account, *, before: int | None = None, limit: int = 100
) -> list[Entry]:
    """Tell what changed an account's credits, the newest first, below the entry with the number `before`."""
    return await ctx.database.transact(lambda c: ledger.statement(c, account.id, before=before, limit=limit))


async def callback_secret(ctx: Context, account: Account) -> str:
    """Tell what an account's callbacks are signed with."""
    return await ctx.database.transact(lambda c: accounts.callback_secret(c, account.id))


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
