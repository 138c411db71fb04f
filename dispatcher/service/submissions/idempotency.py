"""Idempotency keys: a repeated request gets the answer of the first, and nothing is sent twice."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import KeyReused, StillRunning
from dispatcher.domain.messages.submission import AcceptedBatch, IdempotencyKey, StoredResponse
from dispatcher.service.context import Context
from dispatcher.store.submissions import idempotency
from dispatcher.store.submissions.idempotency import StoredKey

KEPT_FOR = timedelta(hours=24)
STILL_RUNNING = "the first request with this Idempotency-Key has not ended; try again"


async def find_response(
    ctx: Context, connection: AsyncConnection, caller: Caller, once: IdempotencyKey
) -> StoredResponse | None:
    """
    Return the earlier answer to this key, or None; then the key is held until the transaction ends.

    Raises StillRunning while another request holds the key, KeyReused if it
    came with a different request.
    """
    owner = caller.account.id, caller.dialect, once.key
    if not await idempotency.lock(connection, *owner):
        raise StillRunning(STILL_RUNNING)
    kept = await idempotency.find(connection, *owner, since=ctx.now() - KEPT_FOR)
    if kept is None:
        return None
    if kept.fingerprint != once.fingerprint:
        raise KeyReused("this Idempotency-Key came with another request before; take a new one")
    return replace(kept.answer, is_replayed=True)


async def store_response(
    ctx: Context, connection: AsyncConnection, caller: Caller, once: IdempotencyKey, batch: AcceptedBatch
) -> StoredResponse:
    """Keep the answer for this batch, in the transaction that accepts it, and return it."""
    answer = once.answer(batch)
    kept = StoredKey(once.fingerprint, answer)
    await idempotency.save(connection, caller.account.id, caller.dialect, once.key, kept, now=ctx.now())
    return answer
