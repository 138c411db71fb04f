"""Numbers that must not be written to: kept for an account, or for one of its senders."""

from collections.abc import Sequence

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.errors import Invalid, NotFound
from dispatcher.domain.numbers.msisdn import InvalidNumber, NumberPolicy, parse
from dispatcher.service.context import Context
from dispatcher.store.accounts import accounts, opt_outs
from dispatcher.store.accounts.opt_outs import OptOut


async def add(
    ctx: Context, account: Account, numbers: Sequence[str], *, sender: str | None = None, reason: str = ""
) -> int:
    """
    Opt numbers out; give how many were new.

    What waits for its time is ended with 26 when its turn comes. Raises
    Invalid for what is no number, NotFound for an unknown sender.
    """
    sender_id = await _sender_id(ctx, account, sender)
    read = [_number(account, number) for number in numbers]
    return await ctx.database.transact(
        lambda c: opt_outs.insert(c, account.id, read, sender_id=sender_id, reason=reason)
    )


async def remove(ctx: Context, account: Account, number: str, *, sender: str | None = None) -> None:
    """Let a number be written to again. Raises NotFound when it is not on the list."""
    sender_id = await _sender_id(ctx, account, sender)
    read = _number(account, number)
    if not await ctx.database.transact(lambda c: opt_outs.remove(c, account.id, read, sender_id=sender_id)):
        raise NotFound(f"{number} has not opted out")


async def page(ctx: Context, account: Account, *, after: int = 0, limit: int = 100) -> list[OptOut]:
    """List who has opted out, the oldest first."""
    return await ctx.database.transact(lambda c: opt_outs.page(c, account.id, after=after, limit=limit))


async def _sender_id(ctx: Context, account: Account, sender: str | None) -> int | None:
    if sender is None:
        return None
    found = await ctx.database.transact(lambda c: accounts.find_sender(c, account.id, None, name=sender))
    if found is None:
        raise NotFound(f"account {account.name!r} has no sender {sender!r}")
    return found


def _number(account: Account, raw: str) -> str:
    policy = NumberPolicy(
        default_country=account.default_country, national=True, require_valid=False, lenient=True
    )
    try:
        return parse(raw, policy).e164
    except InvalidNumber as error:
        raise Invalid(str(error)) from None
