"""The callbacks as operators see them: what was told to whom, what came of it, and telling it again."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import NotFound
from dispatcher.domain.outbox import CallbackState
from dispatcher.domain.submission import Account
from dispatcher.service import search
from dispatcher.service.context import Context
from dispatcher.service.search import Slice
from dispatcher.store import outbox
from dispatcher.store.outbox import CallbackFilter, FoundCallback

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
    List callbacks, the newest first, of one message or account or of all.

    A walk that was stopped gives less than was asked for, and an id to go on
    before. Raises NotFound for an unknown message.
    """
    message_id = None if message is None else (await search.message(ctx, message)).id
    wanted = CallbackFilter(None if account is None else account.id, message_id, state)

    async def work(connection: AsyncConnection) -> Slice[FoundCallback]:
        found = await outbox.page(connection, wanted, before=before, limit=limit + 1, walk=walk)
        if len(found) > limit:
            return Slice(found[:limit], found[limit - 1].id)
        if message_id is not None:
            return Slice(found, None)
        return Slice(found, await outbox.walked_to(connection, wanted, before=before, walk=walk))

    return await ctx.database.transact(work)


async def replay(ctx: Context, name: int | UUID) -> FoundCallback:
    """
    Tell a callback again, by its number or its public id, whatever came of it before. Raises NotFound.

    Its receiver knows it by the id it always had. One that is older than a
    callback is worth gets one try.
    """
    now = ctx.now()
    found = await ctx.database.transact(lambda c: outbox.replay(c, name, now=now))
    if found is None:
        raise NotFound(f"there is no callback {name}")
    return found
