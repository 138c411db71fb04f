"""Taking messages back before they go out: each is either sent or withdrawn, never both."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.submission import Caller
from dispatcher.service import report
from dispatcher.service.context import Context
from dispatcher.store import ledger, reports

_BATCH = 1000


async def one(ctx: Context, caller: Caller, message_id: int) -> bool:
    """Withdraw one message; False means that it is too late. Raises NotFound."""
    line = await report.one(ctx, caller, message_id)
    return await _withdraw(ctx, [line.id]) == 1


async def batch(ctx: Context, caller: Caller, batch_id: int) -> int:
    """Withdraw what is left of a batch; give how many were. Raises NotFound."""
    lines = await report.every_line(ctx, caller, batch_id)
    ids = [line.id for line in lines if not line.status.is_final]
    return sum([await _withdraw(ctx, ids[start : start + _BATCH]) for start in range(0, len(ids), _BATCH)])


async def _withdraw(ctx: Context, ids: Sequence[int]) -> int:
    now = ctx.now()

    async def work(connection: AsyncConnection) -> int:
        taken = await reports.withdraw(connection, ids, now=now)
        await ledger.refund(connection, [row.id for row in taken if row.charged])
        return len(taken)

    return await ctx.database.transact(work)
