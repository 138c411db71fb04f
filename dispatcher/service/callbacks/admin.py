"""Callbacks for operators: search them with their results, and replay one."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.callbacks.events import CallbackState
from dispatcher.domain.errors import NotFound
from dispatcher.service.context import Context
from dispatcher.service.messages import search
from dispatcher.service.messages.search import Slice
from dispatcher.store.callbacks import admin
from dispatcher.store.callbacks.admin import CallbackFilter, FoundCallback

__all__ = ["FoundCallback", "page", "replay"]


async def page(
    ctx: Context,
    *,
    account: Account | None = None,
    message: int | UUID | None = None,
    state: CallbackState | None = None,
    before: int | None = None,
    limit: int = 50,
    walk: int = search.WALK,
) -> Slice[FoundCallback]:
    """
    Return callbacks of a message, of an account or of all accounts, the newest first.

    Without a message it scans at most `walk` callbacks. Raises NotFound for an
    unknown message.
    """
    message_id = None if message is None else (await search.message(ctx, message)).id
    wanted = CallbackFilter(None if account is None else account.id, message_id, state)

    async def work(connection: AsyncConnection) -> Slice[FoundCallback]:
        found = await admin.page(connection, wanted, before=before, limit=limit + 1, walk=walk)
        if len(found) > limit:
            return Slice(found[:limit], found[limit - 1].id)
        if message_id is not None:
            return Slice(found, None)
        return Slice(found, await admin.walk_end(connection, wanted, before=before, walk=walk))

    return await ctx.database.transact(work)


async def replay(ctx: Context, name: int | UUID) -> FoundCallback:
    """
    Make a callback due again, by its number or its public id, in any state. Raises NotFound.

    It keeps the id that its receiver knows, and gets all tries of a new one.
    """
    now = ctx.now()
    found = await ctx.database.transact(lambda c: admin.replay(c, name, now=now))
    if found is None:
        raise NotFound(f"there is no callback {name}")
    return found
