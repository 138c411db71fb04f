"""Opt-outs: numbers that an account, or one of its senders, must not send to."""

from collections.abc import Sequence

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.errors import Invalid, NotFound
from dispatcher.domain.numbers.msisdn import InvalidNumber, NumberPolicy, parse
from dispatcher.service.accounts.accounts import find_usable_sender
from dispatcher.service.context import Context
from dispatcher.store.accounts import opt_outs
from dispatcher.store.accounts.opt_outs import OptOut


async def add(
    ctx: Context, account: Account, numbers: Sequence[str], *, sender: str | None = None, reason: str = ""
) -> int:
    """
    Add opt-outs and return how many were new.

    Waiting messages to them end as 26 when they are due. Raises Invalid for an
    invalid number, NotFound for an unknown sender.
    """
    sender_id = await _sender_id(ctx, account, sender)
    read = [_number(account, number) for number in numbers]
    return await ctx.database.transact(
        lambda c: opt_outs.insert(c, account.id, read, sender_id=sender_id, reason=reason)
    )


async def remove(ctx: Context, account: Account, number: str, *, sender: str | None = None) -> None:
    """Remove a number's opt-out. Raises NotFound if it has not opted out."""
    sender_id = await _sender_id(ctx, account, sender)
    read = _number(account, number, short_codes=True)
    if not await ctx.database.transact(lambda c: opt_outs.remove(c, account.id, read, sender_id=sender_id)):
        raise NotFound(f"{number} has not opted out")


async def page(ctx: Context, account: Account, *, after: int = 0, limit: int = 100) -> list[OptOut]:
    """Return opt-outs, the oldest first, after the one with the number `after`."""
    return await ctx.database.transact(lambda c: opt_outs.page(c, account.id, after=after, limit=limit))


async def _sender_id(ctx: Context, account: Account, sender: str | None) -> int | None:
    return None if sender is None else await find_usable_sender(ctx, account, sender)


def _number(account: Account, raw: str, *, short_codes: bool = False) -> str:
    """Return a number in E.164; a short code, which can opt out by a message to us, only if `short_codes`."""
    policy = NumberPolicy(
        default_country=account.default_country,
        national=True,
        require_valid=False,
        lenient=True,
        short_codes=short_codes,
        blank_is_plus=short_codes,  # the number is in the query
    )
    try:
        return parse(raw, policy).e164
    except InvalidNumber as error:
        raise Invalid(str(error)) from None
