"""Messages from handsets: stored, obeyed if they opt out or in, sent to webhooks, and listed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.delivery.provider import Inbound
from dispatcher.domain.errors import BadReceipt, Invalid, NotFound
from dispatcher.domain.inbound.addresses import address_forms, read_number
from dispatcher.service.context import Batched, Context
from dispatcher.service.messages.search import CountedPage
from dispatcher.service.messages.search import read_number as read_wanted
from dispatcher.store.inbound import messages
from dispatcher.store.inbound.messages import FoundInbound, NewInbound

__all__ = ["FoundInbound", "find", "in_period", "keep", "page", "replay"]

log = structlog.get_logger()

MAX_REPLAYED = 1000
"""How many messages one request may have told again."""

_REMEMBERED = timedelta(days=30)  # after that, a code that accounts share speaks for none of them
_LONGEST_REF = 500
_LONGEST_TEXT = 10_000  # characters, more than anybody writes; what is beyond is cut


async def keep(ctx: Context, provider: str, told: Sequence[Inbound]) -> None:
    """
    Keep messages that a provider tells; when this returns they are kept, and what they ask for is done.

    The same reference again is kept once. Raises BadReceipt for a reference
    that cannot be kept, and Unavailable.
    """
    arrived = [_arrived(ctx, provider, one) for one in told]
    if arrived:
        await ctx.batcher(_KEEPING).run(arrived)


async def page(
    ctx: Context,
    *,
    account: Account | None = None,
    number: str | None = None,
    before: int | None = None,
    limit: int = 50,
    with_text: bool = False,
) -> list[FoundInbound]:
    """Return messages, the newest first; `number` is the sender's. Raises Invalid for a bad number."""
    wanted = None if number is None else read_wanted(number, account)
    account_id = None if account is None else account.id
    return await ctx.database.transact(
        lambda c: messages.page(
            c, account_id=account_id, number=wanted, before=before, limit=limit, with_text=with_text
        )
    )


async def find(ctx: Context, name: int | UUID, *, with_text: bool = False) -> FoundInbound:
    """Return one message, by its number or its public id. Raises NotFound."""
    found = await ctx.database.transact(lambda c: messages.find(c, name, with_text=with_text))
    if found is None:
        raise NotFound(f"there is no inbound message {name}")
    return found


async def in_period(
    ctx: Context, caller: Caller, *, since: datetime | None, until: datetime | None, skip: int, limit: int
) -> CountedPage[FoundInbound]:
    """Return the caller's messages from `since` up to but excluding `until`, the newest first."""
    account_id = caller.account.id

    async def work(connection: AsyncConnection) -> CountedPage[FoundInbound]:
        found = await messages.page_of_period(
            connection, account_id, since=since, until=until, skip=skip, limit=limit
        )
        return CountedPage(
            found, await messages.count_in_period(connection, account_id, since=since, until=until)
        )

    return await ctx.database.transact(work)


async def replay(ctx: Context, caller: Caller, *, since: datetime, until: datetime) -> None:
    """
    Tell the caller's webhooks again of the messages of a period, under the ids they always had.

    Raises Invalid when there are more than MOST_AGAIN.
    """
    account_id, dialect, now = caller.account.id, caller.dialect, ctx.now()

    async def work(connection: AsyncConnection) -> None:
        found = await messages.count_in_period(connection, account_id, since=since, until=until)
        if found > MAX_REPLAYED:
            raise Invalid(f"{found} messages came in that time, more than {MAX_REPLAYED}: ask for less of it")
        await messages.renew_callbacks(connection, account_id, dialect, since=since, until=until, now=now)

    await ctx.database.transact(work)


async def _keep(ctx: Context, together: Sequence[Sequence[NewInbound]]) -> list[None]:
    """Keep what came in some requests of the same moment."""
    arrived, now = [one for told in together for one in told], ctx.now()
    new = await ctx.database.single(lambda c: messages.insert(c, arrived, since=now - _REMEMBERED, now=now))
    log.info("inbound_kept", messages=len(arrived), new=new)
    return [None] * len(together)


_KEEPING = Batched(_keep)


def _arrived(ctx: Context, provider: str, told: Inbound) -> NewInbound:
    if told.ref is not None and _storable(told.ref, _LONGEST_REF) != told.ref:
        raise BadReceipt("the reference is too long, or has a character that cannot be kept")
    text, recipient = _storable(told.text, _LONGEST_TEXT), _storable(told.recipient, _LONGEST_REF)
    return NewInbound(
        public_id=uuid4(),
        provider=provider,
        ref=told.ref,
        number=read_number(_storable(told.sender, _LONGEST_REF)),
        recipient=recipient,
        codes=address_forms(recipient),
        text=text,
        action=ctx.settings.keyword_list.action(text),
        sent_at=told.sent_at,
    )


def _storable(given: str, longest: int) -> str:
    """Make a provider's words fit to keep: no NUL, no half of a surrogate pair, not endless."""
    return given[:longest].replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
