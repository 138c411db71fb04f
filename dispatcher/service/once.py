"""Idempotency keys: the same request again gets the same answer, and nothing is sent twice."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import KeyReused, StillRunning
from dispatcher.domain.submission import AcceptedBatch, Answer, Caller, Once
from dispatcher.service.context import Context
from dispatcher.store import idempotency
from dispatcher.store.idempotency import Kept

KEPT_FOR = timedelta(hours=24)
RUNNING = "the first request with this Idempotency-Key has not ended; try again"


async def earlier(ctx: Context, connection: AsyncConnection, caller: Caller, once: Once) -> Answer | None:
    """
    Give the answer this key got before, or None and hold the key until the transaction ends.

    Raises StillRunning while another request holds it, KeyReused when it was
    another request's.
    """
    owner = caller.account.id, caller.dialect, once.key
    if not await idempotency.lock(connection, *owner):
        raise StillRunning(RUNNING)
    kept = await idempotency.find(connection, *owner, since=ctx.now() - KEPT_FOR)
    if kept is None:
        return None
    if kept.fingerprint != once.fingerprint:
        raise KeyReused("this Idempotency-Key came with another request before; take a new one")
    return kept.answer


async def keep(
    ctx: Context, connection: AsyncConnection, caller: Caller, once: Once, batch: AcceptedBatch
) -> Answer:
    """Keep what this batch is answered, in the transaction that accepts it."""
    answer = once.answer(batch)
    kept = Kept(once.fingerprint, answer)
    await idempotency.keep(connection, caller.account.id, caller.dialect, once.key, kept, now=ctx.now())
    return answer
