"""What became of messages, for their callers and for operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from dispatcher.domain.errors import NotFound
from dispatcher.domain.status import Status
from dispatcher.domain.submission import Caller
from dispatcher.service.context import Context
from dispatcher.store import reports
from dispatcher.store.reports import Detail, Event, Line, PlaceCount

_PAGE = 5000


@dataclass(frozen=True, slots=True)
class History:
    """One message and all that happened to it, oldest first."""

    detail: Detail
    events: Sequence[Event]


async def one(ctx: Context, caller: Caller, message_id: int) -> Line:
    """Report one message. Raises NotFound, also for one that was withdrawn by its caller."""
    found = await ctx.database.transact(
        lambda c: reports.line(c, message_id, account_id=caller.account.id, dialect=caller.dialect)
    )
    if found is None or found.status is Status.WITHDRAWN:
        raise NotFound(f"there is no message {message_id}")
    return found


async def batch(ctx: Context, caller: Caller, batch_id: int) -> list[Line]:
    """Report all messages of a batch but the withdrawn ones. Raises NotFound if none is left."""
    lines = [line for line in await every_line(ctx, caller, batch_id) if line.status is not Status.WITHDRAWN]
    if not lines:
        raise NotFound(f"there is no batch {batch_id}")
    return lines


async def require_batch(ctx: Context, caller: Caller, batch_id: int) -> None:
    """Raise NotFound unless the caller's account made this batch through its dialect."""
    exists = await ctx.database.transact(
        lambda c: reports.batch_exists(c, batch_id, account_id=caller.account.id, dialect=caller.dialect)
    )
    if not exists:
        raise NotFound(f"there is no batch {batch_id}")


async def every_line(ctx: Context, caller: Caller, batch_id: int) -> list[Line]:
    """Read all messages of a batch, withdrawn ones too. Raises NotFound for an unknown batch."""
    await require_batch(ctx, caller, batch_id)
    lines: list[Line] = []
    while True:
        after = lines[-1].id if lines else 0
        page = await ctx.database.transact(
            partial(reports.lines, batch_id=batch_id, after=after, limit=_PAGE)
        )
        lines += page
        if len(page) < _PAGE:
            return lines


async def history(ctx: Context, name: str) -> History:
    """Tell all of one message, by its number or its public id. Raises NotFound."""
    message_id, public_id = _read_id(name)
    detail = await ctx.database.transact(
        lambda c: reports.detail(c, message_id=message_id, public_id=public_id)
    )
    if detail is None:
        raise NotFound(f"there is no message {name}")
    events = await ctx.database.transact(lambda c: reports.events(c, detail.id))
    return History(detail, events)


async def on_the_way(ctx: Context) -> list[PlaceCount]:
    """Count what is on its way, by tier and place."""
    return await ctx.database.transact(reports.places)


def _read_id(name: str) -> tuple[int | None, UUID | None]:
    if name.isascii() and name.isdigit() and len(name) < 19:
        return int(name), None
    try:
        return None, UUID(name)
    except ValueError:
        raise NotFound(f"{name!r} is neither a message's number nor its public id") from None
