"""Idempotency keys: a repeated request gets the response of the first, and nothing is sent twice."""

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
    ctx: Context, connection: AsyncConnection, caller: Caller, key: IdempotencyKey
) -> StoredResponse | None:
    """
    Return the stored response of this key, or None; then the key is locked until the transaction ends.

    Raises StillRunning while another request holds the lock, KeyReused if the
    key was used for a different request.
    """
    owner = caller.account.id, caller.dialect, key.key
    if not await idempotency.lock(connection, *owner):
        raise StillRunning(STILL_RUNNING)
    stored = await idempotency.find(connection, *owner, since=ctx.now() - KEPT_FOR)
    if stored is None:
        return None
    if stored.fingerprint not in (key.fingerprint, key.exact):
        raise KeyReused("this Idempotency-Key came with another request before; take a new one")
    return replace(stored.answer, is_replayed=True)


async def store_response(
    ctx: Context, connection: AsyncConnection, caller: Caller, key: IdempotencyKey, batch: AcceptedBatch
) -> StoredResponse:
    """Store the response for this batch, in the transaction that accepts it, and return the response."""
    response = key.answer(batch)
    stored = StoredKey(key.fingerprint, response)
    await idempotency.save(connection, caller.account.id, caller.dialect, key.key, stored, now=ctx.now())
    return response
