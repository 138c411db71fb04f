"""Webhooks: URLs that a producer registers once to get callbacks for all of its messages, or inbound ones."""

from collections.abc import Collection
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.callbacks.urls import check_url
from dispatcher.domain.errors import Conflict, Invalid, NotFound
from dispatcher.domain.messages.status import Status
from dispatcher.domain.spelling import name_choices
from dispatcher.service.context import Context
from dispatcher.store.callbacks import webhooks
from dispatcher.store.callbacks.webhooks import Webhook

__all__ = [
    "MAX_WEBHOOKS",
    "Webhook",
    "disabled_words",
    "enable",
    "every",
    "every_dialect",
    "register",
    "remove",
]

MAX_WEBHOOKS = 50
"""The most webhooks of an account in a dialect; two registered at the same moment may exceed it by one."""

_LONGEST_ID = 100


async def register(
    ctx: Context,
    caller: Caller,
    *,
    id: str | None,  # noqa: A002 - the producer's name for it
    url: str,
    event: str,
    statuses: Collection[Status] = (),
    inbound: bool = False,
) -> Webhook:
    """
    Register a URL to be called when a message gets one of these statuses from now on; return the webhook.

    With `inbound` it is called for each message from a handset. The same id
    replaces an earlier webhook, and switches it on again; None generates one. Without statuses and
    `inbound` it is stored and never called. Raises Invalid for a URL that may
    not be called, an invalid id, and more than MAX_WEBHOOKS webhooks; Conflict
    for the id and URL of another API's webhook for messages from handsets.
    """
    name = str(uuid4()) if id is None else id
    if not 1 <= len(name) <= _LONGEST_ID or not name.isprintable():
        raise Invalid(f"the id of a webhook has 1 to {_LONGEST_ID} printable characters")
    if (fault := check_url(url, ctx.url_rules.of_webhooks())) is not None:
        raise Invalid(fault)
    account_id = caller.account.id

    async def work(connection: AsyncConnection) -> Webhook:
        if await webhooks.count_others(connection, account_id, caller.dialect, name) >= MAX_WEBHOOKS:
            raise Invalid(f"there are {MAX_WEBHOOKS} webhooks already; remove one first")
        if inbound and await webhooks.has_twin(connection, account_id, caller.dialect, name, url):
            raise Conflict(f"the webhook {name!r} of another API calls {url} already: choose another id")
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
    """Return the caller's webhooks, the oldest first."""
    return await ctx.database.transact(lambda c: webhooks.list_all(c, caller.account.id, caller.dialect))


async def every_dialect(ctx: Context, account: Account) -> list[Webhook]:
    """Return the webhooks of an account in all dialects."""
    return await ctx.database.transact(lambda c: webhooks.list_all_dialects(c, account.id))


async def enable(ctx: Context, account: Account, id: str) -> list[Webhook]:  # noqa: A002
    """Switch a webhook on again, in whichever dialects it is registered. Raises NotFound."""
    found = (
        await ctx.database.transact(lambda c: webhooks.enable(c, account.id, id)) if id.isprintable() else []
    )
    if not found:
        known = [webhook.id for webhook in await every_dialect(ctx, account)]
        raise NotFound(f"account {account.name!r} has no webhook {id!r} ({name_choices(id, known)})")
    return found


def disabled_words(webhook: Webhook) -> str | None:
    """Return why a webhook is switched off and what its owner can do; None if it is on."""
    if webhook.disabled_reason is None:
        return None
    return f"{webhook.disabled_reason}; register it again, with the same id, to switch it on"


async def remove(ctx: Context, caller: Caller, id: str) -> None:  # noqa: A002
    """Remove a webhook; an unknown id is ignored."""
    if id.isprintable():  # else it was never registered, and Postgres would reject a NUL
        await ctx.database.transact(lambda c: webhooks.remove(c, caller.account.id, caller.dialect, id))
