"""Callers taking their messages back before they go out: each is either sent or withdrawn, never both."""

from dispatcher.domain.edit import BY_CALLER, Cancel
from dispatcher.domain.submission import Caller
from dispatcher.service import edits, search
from dispatcher.service.context import Context
from dispatcher.store.edits import Chosen

_WITHDRAW = Cancel(BY_CALLER)


async def one(ctx: Context, caller: Caller, message_id: int) -> bool:
    """Withdraw one message; False means that it is too late. Raises NotFound."""
    await search.message(ctx, message_id, caller=caller, with_withdrawn=False)
    chosen = Chosen(caller.account.id, only_open=False, message_id=message_id)
    return (await edits.apply(ctx, chosen, _WITHDRAW)).changed == 1


async def batch(ctx: Context, caller: Caller, batch_id: int) -> int:
    """Withdraw what is left of a batch; give how many were. Raises NotFound."""
    await search.require_batch(ctx, caller, batch_id)
    chosen = Chosen(caller.account.id, only_open=True, batch_id=batch_id)
    return (await edits.apply(ctx, chosen, _WITHDRAW)).changed
