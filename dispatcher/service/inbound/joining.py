"""
Joining the parts of inbound messages, of all providers, whichever process they come to.

A part is stored, and its provider answered, at once. The part that completes a
message stores the message in the same transaction; of a message that stays
incomplete the clock stores what is there. A part that comes later changes the
stored message, and its webhooks are called again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.delivery.inbound_part import InboundPart
from dispatcher.domain.delivery.provider import Inbound
from dispatcher.domain.inbound.addresses import read_sender_number
from dispatcher.domain.inbound.joining import PartJoin, PartKey, ReceivedPart, join_of
from dispatcher.service.context import Batched, Context
from dispatcher.service.inbound.messages import CONVERSATION, checked_ref, new_inbound, storable_name
from dispatcher.store.inbound import joins, new_messages
from dispatcher.store.inbound.new_messages import ChangedInbound, NewInbound

log = structlog.get_logger()

KEPT_FOR: Final = timedelta(hours=24)
"""The shortest time that parts are kept, in which a repeated part with a reference is recognized."""

_Parts = Sequence[tuple[PartKey, ReceivedPart, timedelta]]


async def keep_parts(ctx: Context, provider: str, reported: Sequence[InboundPart]) -> None:
    """
    Store parts that a provider reports, and the messages that they complete.

    Raises BadReceipt for a reference that cannot be stored, and Unavailable.
    """
    if reported:
        await ctx.batcher(_KEEPING).run([_read(provider, part) for part in reported])


async def store_incomplete(ctx: Context, connection: AsyncConnection, *, now: datetime, limit: int) -> int:
    """Store what is there of messages whose time is over; return how many."""
    due = await joins.lock_due(connection, now=now, limit=limit)
    await _store(ctx, connection, due, now=now)
    if due:
        log.warning("inbound_incomplete", messages=len(due), missing=sum(len(join.missing) for join in due))
    return len(due)


async def _keep(ctx: Context, groups: Sequence[_Parts]) -> list[None]:
    """Store the parts of requests that arrived at the same moment."""
    parts = [part for group in groups for part in group]
    await ctx.database.transact(lambda connection: _keep_all(ctx, connection, parts))
    return [None] * len(groups)


_KEEPING = Batched(_keep)


async def _keep_all(ctx: Context, connection: AsyncConnection, parts: _Parts) -> None:
    now = ctx.now()
    known = await joins.lock(connection, list({key: None for key, _, _ in parts}), since=now - KEPT_FOR)
    begun: list[tuple[PartJoin, datetime]] = []
    added: list[tuple[PartJoin, ReceivedPart]] = []
    for key, part, wait in parts:
        join = join_of(part, known[key], now=now)
        if join is None:
            join = PartJoin(0, key, now)
            known[key].append(join)
            begun.append((join, now + wait))
        if part.number not in join.parts:  # else it came before
            join.parts[part.number] = part
            added.append((join, part))
    if begun:
        await joins.begin(connection, begun)
    if added:
        await joins.add(connection, added, now=now)
    grown = list({join.id: join for join, _ in added}.values())
    await _change(ctx, connection, [join for join in grown if join.stored_as], now=now)
    await _store(
        ctx, connection, [join for join in grown if not join.stored_as and not join.missing], now=now
    )
    log.info("inbound_parts_kept", parts=len(parts), new=len(added), messages=len(grown))


async def _store(
    ctx: Context, connection: AsyncConnection, ended: Sequence[PartJoin], *, now: datetime
) -> None:
    if ended:
        for join in ended:
            join.stored_as = uuid4()
        new = [_message(ctx, join) for join in ended]
        await new_messages.insert(connection, new, since=now - CONVERSATION, now=now)
        await joins.end(connection, ended)


async def _change(
    ctx: Context, connection: AsyncConnection, grown: Sequence[PartJoin], *, now: datetime
) -> None:
    """Give stored messages the parts that came late."""
    if grown:
        whole = [_message(ctx, join) for join in grown]
        changed = [ChangedInbound(m.public_id, m.codes, m.text, m.action, m.missing_parts) for m in whole]
        await new_messages.change(connection, changed, now=now)
        log.info("inbound_parts_late", messages=len(grown))


def _message(ctx: Context, join: PartJoin) -> NewInbound:
    first = join.parts[min(join.parts)]
    sent = [part.sent_at for part in join.parts.values() if part.sent_at]
    message = Inbound(join.key.number, join.key.recipient, join.text, first.ref, min(sent, default=None))
    assert join.stored_as is not None, "a message has its id before it is stored"
    return new_inbound(
        ctx,
        join.key.provider,
        message,
        public_id=join.stored_as,
        parts=join.key.total,
        missing_parts=join.missing,
    )


def _read(provider: str, part: InboundPart) -> tuple[PartKey, ReceivedPart, timedelta]:
    number, recipient = storable_name(part.sender), storable_name(part.recipient)
    reference = checked_ref(part.reference)
    ref = None if part.ref is None else checked_ref(part.ref)
    return (
        PartKey(provider, read_sender_number(number), recipient, reference, part.total),
        ReceivedPart(part.number, part.octets, part.alphabet, ref, part.sent_at),
        part.join,
    )
