"""Withdrawal of messages by their callers: each message is sent or withdrawn, never both."""

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.messages.edit import BY_CALLER, Cancel
from dispatcher.service.context import Context
from dispatcher.service.messages import edits, search
from dispatcher.store.messages.edits import EditSelection

_WITHDRAW = Cancel(BY_CALLER)


async def one(ctx: Context, caller: Caller, message_id: int) -> bool:
    """Withdraw one message and return whether it was in time. Raises NotFound."""
    await search.message(ctx, message_id, caller=caller, with_withdrawn=False)
    chosen = EditSelection(caller.account.id, only_open=False, message_id=message_id)
    return (await edits.apply(ctx, chosen, _WITHDRAW)).changed == 1


async def batch(ctx: Context, caller: Caller, batch_id: int) -> int:
    """Withdraw the messages of a batch that still wait and return how many. Raises NotFound."""
    await search.require_batch(ctx, caller, batch_id)
    chosen = EditSelection(caller.account.id, only_open=True, batch_id=batch_id)
    return (await edits.apply(ctx, chosen, _WITHDRAW)).changed
