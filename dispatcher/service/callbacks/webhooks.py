"""Webhooks: a producer names a URL once, and it is told of an event of all messages, its own or inbound."""

from collections.abc import Collection
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.callbacks.callback import check_url
from dispatcher.domain.errors import Invalid
from dispatcher.domain.messages.status import Status
from dispatcher.service.context import Context
from dispatcher.store.callbacks import webhooks
from dispatcher.store.callbacks.webhooks import Webhook

__all__ = ["MAX_WEBHOOKS", "Webhook", "every", "register", "remove"]

MAX_WEBHOOKS = 50
"""How many webhooks an account may have in a dialect. Two registered at the same moment may be one more."""

_LONGEST_ID = 100


async def register(
    ctx: Context,
    caller: Caller,
    *,
    id: str | None,  # noqa: A002 - the producer's word for it
    url: str,
    event: str,
    statuses: Collection[Status] = (),
    inbound: bool = False,
) -> Webhook:
    """
    Have a URL told when a message gets one of these statuses, for messages that come to it from now on.

    With `inbound` it is told of each message from a handset. The same id
    again replaces what was there; None makes one up. Without statuses and
    `inbound` it is kept and never called. Raises Invalid for a URL that may
    not be called, an id that cannot be one, and above MOST.
    """
    name = str(uuid4()) if id is None else id
    if not 1 <= len(name) <= _LONGEST_ID or not name.isprintable():
        raise Invalid(f"the id of a webhook has 1 to {_LONGEST_ID} printable characters")
    private = ctx.settings.callback_private
    if (fault := check_url(url, allow_private=private, https_only=not private)) is not None:
        raise Invalid(fault)
    account_id = caller.account.id

    async def work(connection: AsyncConnection) -> Webhook:
        if await webhooks.count_others(connection, account_id, caller.dialect, name) >= MAX_WEBHOOKS:
            raise Invalid(f"there are {MAX_WEBHOOKS} webhooks already; remove one first")
        return await webhooks.put(
            connection,
            account_id,
            caller.dialect,
            id=name,
            url=url,
            event=event,
            statuses=statuses,
            inbound=inbound,
        )

    return await ctx.database.transact(work)


async def every(ctx: Context, caller: Caller) -> list[Webhook]:
    """List the caller's webhooks, the oldest first."""
    return await ctx.database.transact(lambda c: webhooks.list_all(c, caller.account.id, caller.dialect))


async def remove(ctx: Context, caller: Caller, id: str) -> None:  # noqa: A002
    """Remove a webhook; one that is not there is none to mind."""
    if id.isprintable():  # else nobody can have registered it, and Postgres could not be asked
        await ctx.database.transact(lambda c: webhooks.remove(c, caller.account.id, caller.dialect, id))
