"""Looking up a message or a batch by any id that was ever given out for it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from dispatcher.domain.errors import NotFound
from dispatcher.service.context import Context
from dispatcher.service.messages import search
from dispatcher.service.messages.search import CountedBatch, History, MessageStatus
from dispatcher.store.messages import lookup, views
from dispatcher.store.messages.lookup import IdKind, IdMatch

__all__ = ["BATCH_SHOWN", "IdKind", "IdMatch", "LookedUp", "look_up"]

BATCH_SHOWN = 100
"""How many messages of a batch are listed."""

_BIGINT = re.compile(r"[0-9]{1,18}")
# With the number of an event, as eMsgNow writes it.
_PUBLIC_ID = re.compile(r"([0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?:-[0-9]+)?")


@dataclass(frozen=True, slots=True)
class LookedUp:
    """
    The message or batch with an id: the first `match`, and `others` that have the id too.

    `history` is that of the message, or of the only message of the batch;
    `messages` are the first of a batch that has several.
    """

    match: IdMatch
    others: Sequence[IdMatch]
    batch: CountedBatch
    history: History | None
    messages: Sequence[MessageStatus] = ()


async def look_up(ctx: Context, typed: str) -> LookedUp:
    """Return the message or the batch with this id, of any account and dialect. Raises NotFound."""
    number = int(typed) if _BIGINT.fullmatch(typed) else None
    public_id = _PUBLIC_ID.fullmatch(typed)
    found = await ctx.database.transact(
        lambda c: lookup.find(
            c,
            typed,
            number=number,
            public_id=None if public_id is None else UUID(public_id[1]),
        )
    )
    if not found:
        raise NotFound(
            f"there is no message {typed}: no message or batch has this number or public id, no batch this"
            " external id, and no provider gave a message this reference"
        )
    match, *others = found
    batch = await search.counted_batch(ctx, match.batch_id)
    messages = await ctx.database.transact(
        lambda c: views.statuses(c, match.batch_id, after=0, limit=BATCH_SHOWN)
    )
    message_id = match.message_id
    if message_id is None and len(messages) == 1:
        message_id = messages[0].id
    history = None if message_id is None else await search.history(ctx, message_id)
    return LookedUp(match, others, batch, history, messages)
