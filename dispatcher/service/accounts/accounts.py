"""Accounts: their limits, senders and credits."""

import re
from dataclasses import replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Account, AccountLimits
from dispatcher.domain.errors import AlreadyExists, Conflict, Invalid, NotFound
from dispatcher.domain.hours.zones import zone_choices
from dispatcher.domain.numbers.countries import fault_of
from dispatcher.domain.spelling import name_choices
from dispatcher.service.context import Context
from dispatcher.store.accounts import accounts, ledger, senders
from dispatcher.store.accounts.ledger import LedgerEntry
from dispatcher.store.accounts.senders import Sender

MAX_CREDITS = 10**15
MAX_COUNT = 10**9
_LONGEST_NAME = 100


async def create(
    ctx: Context, name: str, *, credits: int = 0, country: str | None = None, timezone: str = "UTC"
) -> Account:
    """Return a new account. Raises AlreadyExists; Invalid for a bad name, country, time zone or amount."""
    name = name.strip()
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable() or "/" in name:
        raise Invalid(
            f"an account's name has 1 to {_LONGEST_NAME} printable characters and no slash, got {name!r}"
        )
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
    """Return an account by its name. Raises NotFound."""
    account = await ctx.database.single(lambda c: accounts.by_name(c, name))
    if account is None:
        known = await ctx.database.transact(accounts.list_all)
        raise NotFound(
            f"there is no account {name!r} ({name_choices(name, (account.name for account in known))})"
        )
    return account


async def every(ctx: Context) -> list[Account]:
    """Return all accounts, by name."""
    return await ctx.database.transact(accounts.list_all)


async def page(ctx: Context, *, after: int = 0, limit: int = 100) -> list[Account]:
    """Return accounts, the oldest first, after the one with the number `after`."""
    return await ctx.database.transact(lambda c: accounts.page(c, after=after, limit=limit))


async def top_up(ctx: Context, account: Account, amount: int, *, note: str = "") -> int:
    """Add credits and return the new balance. Raises Invalid for an amount that is not above zero."""
    _check_credits(amount, least=1)
    return await ctx.database.transact(lambda c: ledger.top_up(c, account.id, amount, note=note))


async def set_limits(ctx: Context, account: Account, limits: AccountLimits) -> Account:
    """Replace all limits of an account and return it. Raises Invalid."""
    if limits.countries and (wrong := fault_of(limits.countries)):
        raise Invalid(wrong)
    if limits.rate is not None and not 1 <= limits.rate <= MAX_COUNT:
        raise Invalid(f"{limits.rate} is not a rate: give the requests a minute, 1 to {MAX_COUNT}")
    if limits.daily is not None and not 0 <= limits.daily <= MAX_COUNT:
        raise Invalid(f"{limits.daily} is not a daily cap: give the messages a day, 0 to {MAX_COUNT}")
    await ctx.database.transact(lambda c: accounts.set_limits(c, account.id, limits))
    return replace(account, limits=limits)


async def pause(ctx: Context, account: Account, *, paused: bool = True) -> Account:
    """Pause or resume an account: a paused one is refused new messages, and accepted messages go on."""
    await ctx.database.transact(lambda c: accounts.set_paused(c, account.id, paused=paused))
    return replace(account, paused=paused)


async def statement(
    ctx: Context, account: Account, *, before: int | None = None, limit: int = 100
) -> list[LedgerEntry]:
    """Return an account's ledger, the newest entry first, before the one with the number `before`."""
    return await ctx.database.transact(lambda c: ledger.statement(c, account.id, before=before, limit=limit))


async def add_sender(ctx: Context, account: Account, name: str) -> int:
    """Add a sender ID, the first one as the default, and return its id. Raises AlreadyExists and Invalid."""
    if not _is_sender(name):
        raise Invalid(
            f"{name!r} is not a sender ID: up to 11 letters, digits, spaces and -_.& with a letter,"
            " or 3 to 15 digits"
        )
    sender_id = await ctx.database.transact(lambda c: senders.insert(c, account.id, name))
    if sender_id is None:
        raise AlreadyExists(f"account {account.name!r} has a sender {name!r} already")
    return sender_id


async def find_sender(ctx: Context, account: Account, name: str) -> int:
    """Return the id of a sender by its name, else by its id. Raises NotFound."""
    known = await list_senders(ctx, account)
    for sender in sorted(known, key=lambda sender: sender.name != name):
        if name in (sender.name, str(sender.id)):
            return sender.id
    choices = name_choices(name, (sender.name for sender in known))
    raise NotFound(f"account {account.name!r} has no sender {name!r} ({choices})")


async def find_usable_sender(ctx: Context, account: Account, name: str) -> int:
    """Return the id of a sender that is not disabled, by its name. Raises NotFound."""
    found = await ctx.database.single(lambda c: senders.find(c, account.id, None, name=name))
    if found is None:
        known = await list_senders(ctx, account)
        choices = name_choices(name, (sender.name for sender in known if sender.disabled_at is None))
        raise NotFound(f"account {account.name!r} has no sender {name!r} that may be used ({choices})")
    return found


async def list_senders(ctx: Context, account: Account) -> list[Sender]:
    """Return an account's senders, the oldest first."""
    return await ctx.database.transact(lambda c: senders.list_all(c, account.id))


async def sender_page(ctx: Context, account: Account, *, after: int = 0, limit: int = 100) -> list[Sender]:
    """Return a page of an account's senders, the oldest first."""
    return await ctx.database.transact(lambda c: senders.page(c, account.id, after=after, limit=limit))


async def disable_sender(ctx: Context, account: Account, sender_id: int, *, disabled: bool = True) -> Sender:
    """
    Disable or enable a sender and return it. Raises NotFound.

    Waiting messages with a disabled sender end as 24 when they are due. A
    default sender stays the default, and while it is disabled the account has
    none.
    """
    now = ctx.now()
    changed = await ctx.database.transact(
        lambda c: senders.disable(c, account.id, sender_id, disabled=disabled, now=now)
    )
    if changed is None:
        raise NotFound(f"account {account.name!r} has no sender {sender_id}")
    return changed


async def make_default_sender(ctx: Context, account: Account, sender_id: int) -> Sender:
    """Make a sender the account's default and return it. Raises NotFound, and Conflict for a disabled one."""

    async def work(connection: AsyncConnection) -> Sender:
        known = {sender.id: sender for sender in await senders.lock(connection, account.id)}
        if sender_id not in known:
            raise NotFound(f"account {account.name!r} has no sender {sender_id}")
        if known[sender_id].disabled_at is not None:
            raise Conflict(f"sender {sender_id} is disabled, so it cannot be the default")
        await senders.make_default(connection, account.id, sender_id)
        return replace(known[sender_id], is_default=True)

    return await ctx.database.transact(work)


def _is_sender(name: str) -> bool:
    digits = name.removeprefix("+")
    if digits.isascii() and digits.isdigit():
        return 3 <= len(digits) <= 15
    allowed = all(c.isascii() and (c.isalnum() or c in " -_.&") for c in name)
    return 1 <= len(name) <= 11 and name == name.strip() and allowed and any(c.isalpha() for c in name)


def _check_country(country: str | None) -> None:
    if country is not None and not re.fullmatch("[A-Z]{2}", country):
        raise Invalid(f"{country!r} is not a country: give two capital letters, such as KE")


def _check_timezone(timezone: str) -> None:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(f"{timezone!r} is not a time zone; {zone_choices(timezone)}") from None


def _check_credits(amount: int, *, least: int) -> None:
    if not least <= amount <= MAX_CREDITS:
        raise Invalid(f"{amount} is not a valid amount of credits: give {least} to {MAX_CREDITS}")
