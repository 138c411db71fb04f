"""The secrets that sign the callbacks of an account: shown to those who verify them, and rotated."""

from datetime import timedelta
from typing import Final

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.duration import format_duration
from dispatcher.domain.errors import Conflict, Invalid
from dispatcher.service.context import Context
from dispatcher.store.accounts import callback_secrets
from dispatcher.store.accounts.callback_secrets import CallbackSecrets

__all__ = ["LONGEST_OVERLAP", "OVERLAP", "CallbackSecrets", "find", "rotate"]

OVERLAP: Final = timedelta(days=1)
"""How long the previous secret signs beside a new one, unless the caller says."""

LONGEST_OVERLAP: Final = timedelta(days=30)


async def find(ctx: Context, account: Account) -> CallbackSecrets:
    """Return the secrets that an account's callbacks are signed with now."""
    return await ctx.database.single(lambda c: callback_secrets.find(c, account.id, now=ctx.now()))


async def rotate(ctx: Context, account: Account, *, overlap: timedelta = OVERLAP) -> CallbackSecrets:
    """
    Make a new secret and return it with the present one, which signs too for the time of the overlap.

    No overlap ends every earlier secret at once, as one that became known
    must. Raises Conflict while an earlier secret still signs: there are never
    more than two. Raises Invalid for an overlap that is too long.
    """
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise Invalid(
            f"the previous secret can sign for 0 to {LONGEST_OVERLAP.days} days more,"
            f" not for {'less than 0' if overlap < timedelta() else format_duration(overlap)}"
        )
    now = ctx.now()
    made = await ctx.database.transact(
        lambda c: callback_secrets.rotate(c, account.id, until=now + overlap, now=now)
    )
    if made is None:
        until = (await find(ctx, account)).previous_until
        raise Conflict(
            f"the last rotation of the callback secret of {account.name!r} is not over: the previous"
            f" secret signs until {until:%Y-%m-%d %H:%M} UTC. Wait, or give an overlap of 0, which ends both"
            " earlier secrets"
        )
    return made
