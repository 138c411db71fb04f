"""Reserves what a batch costs, before the application's transaction that it is a part of commits."""

from dispatcher.service.context import Context
from dispatcher.store.accounts import reservations
from dispatcher.store.accounts.reservations import Reservation


async def reserve(ctx: Context, reservation: Reservation) -> bool:
    """
    Return whether the account covers a charge; then it is taken, and committed.

    The clock gives it back if the transaction is over without having written
    the batch. Raises Unavailable; should it be taken nevertheless, it is given
    back likewise.
    """
    return await ctx.database.single(lambda connection: reservations.reserve(connection, reservation))
