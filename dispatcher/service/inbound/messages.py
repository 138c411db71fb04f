"""Messages from handsets: stored, searched, and sent to webhooks; keywords opt a number out or in."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.delivery.provider import Inbound
from dispatcher.domain.errors import BadReceipt, Invalid, NotFound
from dispatcher.domain.inbound.addresses import address_forms, read_sender_number
from dispatcher.domain.messages.text import storable_text
from dispatcher.service.context import Batched, Context
from dispatcher.service.messages.search import CountedPage, read_search_number
from dispatcher.store.inbound import messages, new_messages
from dispatcher.store.inbound.messages import FoundInbound
from dispatcher.store.inbound.new_messages import NewInbound

__all__ = ["FoundInbound", "find", "in_period", "keep", "page", "replay"]

log = structlog.get_logger()

MAX_REPLAYED = 1000
"""The most messages that one request may send to the webhooks again."""

CONVERSATION = timedelta(days=30)  # how long a reply to a shared code goes to the account that sent last
_LONGEST_REF = 500
_LONGEST_TEXT = 40_000  # characters, about 255 parts; longer texts are cut


async def keep(ctx: Context, provider: str, reported: Sequence[Inbound]) -> None:
    """
    Store messages that a provider reports, and apply their keywords.

    A message with a reference that is stored already is not stored again.
    Raises BadReceipt for a reference that cannot be stored, and Unavailable.
    """
    new = [new_inbound(ctx, provider, one, public_id=uuid4()) for one in reported]
    if new:
        await ctx.batcher(_KEEPING).run(new)


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
    sender = None if number is None else read_search_number(number, account)
    account_id = None if account is None else account.id
    return await ctx.database.transact(
        lambda c: messages.page(
            c, account_id=account_id, number=sender, before=before, limit=limit, with_text=with_text
        )
    )


async def find(ctx: Context, name: int | UUID, *, with_text: bool = False) -> FoundInbound:
    """Return one message by its id or its public id. Raises NotFound."""
    found = await ctx.database.transact(lambda c: messages.find(c, name, with_text=with_text))
    if found is None:
        raise NotFound(f"there is no inbound message {name}")
    return found


async def in_period(
    ctx: Context, caller: Caller, *, since: datetime | None, until: datetime | None, skip: int, limit: int
) -> CountedPage[FoundInbound]:
    """Return a page of the caller's messages from `since` until before `until`, the newest first."""
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
    Send the messages of a period to the caller's webhooks again, with the same ids as before.

    Raises Invalid for more than MAX_REPLAYED messages.
    """
    account_id, dialect, now = caller.account.id, caller.dialect, ctx.now()

    async def work(connection: AsyncConnection) -> None:
        found = await messages.count_in_period(connection, account_id, since=since, until=until)
        if found > MAX_REPLAYED:
            raise Invalid(
                f"{found} messages came in that period, at most {MAX_REPLAYED} can be sent again:"
                " give a shorter period"
            )
        await messages.renew_callbacks(connection, account_id, dialect, since=since, until=until, now=now)

    await ctx.database.transact(work)


def new_inbound(
    ctx: Context,
    provider: str,
    reported: Inbound,
    *,
    public_id: UUID,
    parts: int = 1,
    missing_parts: tuple[int, ...] = (),
) -> NewInbound:
    """
    Return a message to be stored, with the action of its keyword. Raises BadReceipt as `keep` does.

    What is missing may say something else, so an incomplete text is no keyword.
    """
    text = storable_text(reported.text, longest=_LONGEST_TEXT)
    recipient = storable_name(reported.recipient)
    return NewInbound(
        public_id=public_id,
        provider=provider,
        ref=None if reported.ref is None else checked_ref(reported.ref),
        number=read_sender_number(storable_name(reported.sender)),
        recipient=recipient,
        codes=address_forms(recipient),
        text=text,
        action=None if missing_parts else ctx.settings.keyword_list.action(text),
        sent_at=reported.sent_at,
        parts=parts,
        missing_parts=missing_parts,
    )


def storable_name(address: str) -> str:
    """Return a number or a name as it can be stored."""
    return storable_text(address, longest=_LONGEST_REF)


def checked_ref(ref: str) -> str:
    """Return a reference. Raises BadReceipt if it cannot be stored as it is."""
    if storable_text(ref, longest=_LONGEST_REF) != ref:
        raise BadReceipt("the reference is too long, or has a character that cannot be stored")
    return ref


async def _keep(ctx: Context, groups: Sequence[Sequence[NewInbound]]) -> list[None]:
    """Store the messages of requests that arrived at the same moment."""
    reported, now = [one for group in groups for one in group], ctx.now()
    new = await ctx.database.single(
        lambda c: new_messages.insert(c, reported, since=now - CONVERSATION, now=now)
    )
    log.info("inbound_kept", messages=len(reported), new=new)
    return [None] * len(groups)


_KEEPING = Batched(_keep)
