"""Taking receipts in: keep, answer, then match and move in batches."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import BadReceipt, NotFound, Unavailable
from dispatcher.domain.provider import Inbound, ReceiptRequest, Report, Told
from dispatcher.domain.receipt import Current, read_receipt
from dispatcher.domain.status import Status
from dispatcher.service import inbound
from dispatcher.service.context import Context
from dispatcher.service.recorder import clean
from dispatcher.store import opt_outs, receipts
from dispatcher.store.receipts import Match, Settled, Step, Waiting

log = structlog.get_logger()

BATCH = 500
KEEP_TRYING = timedelta(hours=24)
_FIRST_RETRY = timedelta(milliseconds=250)
_LAST_RETRY = timedelta(minutes=10)


async def take_in(ctx: Context, provider: str, request: ReceiptRequest) -> int:
    """
    Keep what a provider tells by calling our URL; give how much was in it.

    Raises NotFound for a provider that is not configured, BadSignature and
    BadReceipt as the plug-in says, Unavailable when they could not be kept.
    """
    way = ctx.ways.get(provider)
    if way is None:
        raise NotFound(f"there is no provider {provider!r} here")
    return await keep(ctx, provider, way.provider.read_receipt(request))


async def keep(ctx: Context, provider: str, told: Sequence[Told]) -> int:
    """
    Keep what a provider told, whatever way it came; give how much that is.

    Raises BadReceipt and Unavailable: then it is to be told again. So what
    has no reference, and could be kept twice, is kept last.
    """
    reports = [(provider, _cleaned(one)) for one in told if isinstance(one, Report)]
    if reports:
        await ctx.gathered(_keep).ask(reports)
    if len(reports) < len(told):
        await inbound.keep(ctx, provider, [one for one in told if isinstance(one, Inbound)])
    return len(told)


async def _keep(ctx: Context, together: Sequence[Sequence[tuple[str, Report]]]) -> list[None]:
    """Keep what came in some requests of the same moment."""
    reports = [report for told in together for report in told]
    await ctx.database.single(lambda c: receipts.insert(c, reports, now=ctx.now()))
    return [None] * len(together)


async def match(ctx: Context) -> int:
    """Match what waits and is due, in batches until one comes back short; give how many were looked at."""
    total = 0
    while True:
        count = await ctx.database.transact(lambda connection: _match(ctx, connection))
        total += count
        if count < BATCH:
            return total


class Matcher:
    """Matches soon after receipts came in; one for each process that takes them."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._some = asyncio.Event()

    def notice(self) -> None:
        """Tell that there are new ones."""
        self._some.set()

    async def run(self) -> None:
        """Match whenever some came, until cancelled; the clock's duty finds what is left."""
        while True:
            await self._some.wait()
            await asyncio.sleep(self._ctx.settings.flush_interval)
            self._some.clear()
            try:
                await match(self._ctx)
            except Unavailable as error:
                log.warning("receipts_left_to_the_clock", error=str(error))


def _cleaned(report: Report) -> Report:
    if report.ref is not None and clean(report.ref) != report.ref:
        raise BadReceipt("the reference is too long, or has a character that cannot be kept")
    return replace(report, reason=clean(report.reason))


async def _match(ctx: Context, connection: AsyncConnection) -> int:
    now = ctx.now()
    waiting = await receipts.pick(connection, now=now, limit=BATCH)
    if not waiting:
        return 0
    matches = await receipts.match(connection, [r.id for r in waiting])
    currents = await receipts.lock(connection, list({m.message_id for m in matches.values()}))
    book = _Book(currents)
    settled = [
        book.enter(receipt, matches[receipt.id]) if receipt.id in matches else _again(receipt, now)
        for receipt in waiting
    ]
    if book.told:
        await receipts.note_parts(connection, book.told)
    for steps in book.rounds(now + ctx.settings.patience.receipt):
        await receipts.step(connection, steps, now=now)
    if book.opted_out:
        await opt_outs.take_over(connection, book.opted_out, now=now)
    await receipts.settle(connection, settled)
    return len(waiting)


class _Book:
    """Where the messages of a batch stand while its receipts are read one after the other."""

    def __init__(self, currents: dict[int, Current]) -> None:
        self._currents = currents
        self._moves: dict[int, list[tuple[Status, Waiting]]] = {}
        self.told: dict[tuple[str, str], Status] = {}
        self.opted_out: list[int] = []

    def enter(self, receipt: Waiting, match: Match) -> Settled:
        """Read one receipt."""
        if receipt.status is None:
            return Settled(receipt.id, "noted", match.message_id, None)
        steps, current = read_receipt(
            self._currents[match.message_id],
            receipt.status,
            provider=receipt.provider,
            ref=receipt.ref,
            attempt=match.attempt,
        )
        self._currents[match.message_id] = current
        self.told.update(
            {(part.provider, part.ref): part.status for part in current.parts if part.status is not None}
        )
        self._moves.setdefault(match.message_id, []).extend((step, receipt) for step in steps)
        if receipt.opted_out and steps:  # a repeated one would undo a START that came meanwhile
            self.opted_out.append(match.message_id)
        return Settled(receipt.id, "moved" if steps else "noted", match.message_id, None)

    def rounds(self, receipt_timeout: datetime) -> Sequence[Sequence[Step]]:
        """Give the moves so that each message has at most one in a round, in its order."""
        longest = max((len(moves) for moves in self._moves.values()), default=0)
        return [
            [
                _step(message_id, *moves[index], receipt_timeout)
                for message_id, moves in sorted(self._moves.items())
                if index < len(moves)
            ]
            for index in range(longest)
        ]


def _step(message_id: int, status: Status, receipt: Waiting, receipt_timeout: datetime) -> Step:
    reason = receipt.reason or "told by a receipt"
    if status is Status.SENT:
        return Step(message_id, status, receipt.provider, "its receipt says so", receipt_timeout)
    return Step(message_id, status, receipt.provider, reason, None)


def _again(receipt: Waiting, now: datetime) -> Settled:
    if now - receipt.received_at > KEEP_TRYING:
        return Settled(receipt.id, "unknown", None, None)
    pause = min(_FIRST_RETRY * 2 ** min(receipt.tries, 20), _LAST_RETRY)
    return Settled(receipt.id, "new", None, now + pause)
