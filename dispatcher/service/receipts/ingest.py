"""Taking receipts in: what is known moves as it is kept, the rest is matched in batches."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.delivery.provider import (
    Inbound,
    Listens,
    ProviderReports,
    ReceiptReport,
    ReceiptRequest,
)
from dispatcher.domain.errors import BadReceipt, NotFound, Unavailable
from dispatcher.domain.messages.status import Status
from dispatcher.domain.receipts.receipt import ReceiptTarget, apply_receipt
from dispatcher.service.context import Batched, Context
from dispatcher.service.delivery.recorder import storable_text
from dispatcher.service.inbound import messages
from dispatcher.store.accounts import opt_outs
from dispatcher.store.receipts import ingest, matching
from dispatcher.store.receipts.matching import Match, MatchStep, Receipt, ReceiptResult, WaitingReceipt

log = structlog.get_logger()

BATCH = 500
KEEP_TRYING = timedelta(hours=24)
_FIRST_RETRY = timedelta(milliseconds=250)
_LAST_RETRY = timedelta(minutes=10)
_LEFT = ReceiptResult("new", None, None)
_AT_ONCE = 2  # while Postgres keeps the receipts of one moment, the next are looked up


@dataclass(frozen=True, slots=True)
class IngestResult:
    """How much was kept, and whether `match` has something to do."""

    count: int
    is_left: bool


async def receive(ctx: Context, provider: str, request: ReceiptRequest) -> IngestResult:
    """
    Keep what a provider tells by calling our URL.

    Raises NotFound for a provider that is not configured, BadSignature and
    BadReceipt as the plug-in says, Unavailable when they could not be kept.
    """
    configured = ctx.providers.get(provider)
    if configured is None:
        raise NotFound(f"there is no provider {provider!r} here")
    return await keep(ctx, provider, configured.provider.read_receipt(request))


async def keep(ctx: Context, provider: str, told: Sequence[ProviderReports]) -> IngestResult:
    """
    Keep what a provider told, whatever way it came.

    What makes one move of a message in one part makes it at once, if nobody
    else moves that message now. All else is left to `match`. Raises
    BadReceipt, Unavailable: then it is to be told again. So what has no
    reference, and could be kept twice, is kept last.
    """
    reports = [(provider, _cleaned(report)) for report in told if isinstance(report, ReceiptReport)]
    is_left = bool(reports) and await ctx.batcher(_KEEPING).run(reports)
    if len(reports) < len(told):
        await messages.keep(ctx, provider, [one for one in told if isinstance(one, Inbound)])
    return IngestResult(len(told), is_left)


async def _keep(ctx: Context, together: Sequence[Sequence[Receipt]]) -> list[bool]:
    """Keep what came at the same moment, in batches that no statement takes long for; tell if any is left."""
    told = [one for some in together for one in some]
    left = [await _keep_batch(ctx, told[start : start + BATCH]) for start in range(0, len(told), BATCH)]
    return [any(left)] * len(together)


_KEEPING = Batched(_keep, at_once=_AT_ONCE)


async def _keep_batch(ctx: Context, told: Sequence[Receipt]) -> int:
    now = ctx.now()
    seen = await ctx.database.single(lambda c: ingest.find(c, told))
    book = _Book({one.match.message_id: one.current for one in seen.values()})
    ends = [book.enter(*one, seen[n].match) if n in seen else None for n, one in enumerate(told)]
    beyond = book.beyond.union(book.opted_out)
    kept = [_LEFT if end is None or end.message_id in beyond else end for end in ends]
    seqs = [seen[n].seq if end.verdict == "moved" else None for n, end in enumerate(kept)]
    return await ctx.database.single(lambda c: ingest.store(c, told, kept, seqs, now=now))


async def match(ctx: Context) -> int:
    """Match what waits and is due, in batches until one comes back short; give how many were looked at."""
    total = 0
    while True:
        count = await ctx.database.transact(lambda connection: _match(ctx, connection))
        total += count
        if count < BATCH:
            return total


def listen(ctx: Context, matcher: "ReceiptMatcher") -> bool:
    """
    Let each provider that tells over connections of ours tell, from now on; give whether there is any.

    For processes that send, before they do. What is told is kept before the
    provider is answered, and the matcher looks for what is left.
    """
    listening = {
        name: configured.provider
        for name, configured in ctx.providers.items()
        if isinstance(configured.provider, Listens)
    }
    for name, provider in listening.items():
        provider.listen(partial(_hear, ctx, matcher, name))
    return bool(listening)


async def _hear(
    ctx: Context, matcher: "ReceiptMatcher", provider: str, told: Sequence[ProviderReports]
) -> None:
    try:
        if (await keep(ctx, provider, told)).is_left:
            matcher.notify()
    except BadReceipt as error:
        for one in told if len(told) > 1 else ():
            await _hear(ctx, matcher, provider, [one])
        if len(told) == 1:  # refused, it would come again and again
            log.warning("receipt_dropped", provider=provider, error=str(error))


class ReceiptMatcher:
    """Matches soon what was left of receipts that came in; one for each process that takes them."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._some = asyncio.Event()

    def notify(self) -> None:
        """Tell that some are left."""
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


def _cleaned(report: ReceiptReport) -> ReceiptReport:
    if report.ref is not None and storable_text(report.ref) != report.ref:
        raise BadReceipt("the reference is too long, or has a character that cannot be kept")
    reason = storable_text(report.reason)
    return report if reason == report.reason else replace(report, reason=reason)


async def _match(ctx: Context, connection: AsyncConnection) -> int:
    now = ctx.now()
    waiting = await matching.pick(connection, now=now, limit=BATCH)
    if not waiting:
        return 0
    matches, currents = await matching.lock(connection, [(r.provider, r.report) for r in waiting])
    book = _Book(currents)
    ends = [
        book.enter(r.provider, r.report, matches[n]) if n in matches else _again(r, now)
        for n, r in enumerate(waiting)
    ]
    if book.told:
        await matching.set_part_statuses(connection, book.told)
    for steps in book.rounds(now + ctx.settings.patience.receipt):
        await matching.apply_steps(connection, steps, now=now)
    if book.opted_out:
        await opt_outs.insert_reported(connection, book.opted_out, now=now)
    await matching.settle(connection, [(r.id, end) for r, end in zip(waiting, ends, strict=True)])
    return len(waiting)


class _Book:
    """Where the messages of a batch stand while its receipts are read one after the other."""

    def __init__(self, currents: dict[int, ReceiptTarget]) -> None:
        self._currents = currents
        self._moves: dict[int, list[tuple[Status, str, str]]] = {}
        self.told: dict[tuple[str, str], Status] = {}
        self.opted_out: list[int] = []

    def enter(self, provider: str, report: ReceiptReport, match: Match) -> ReceiptResult:
        """Read one receipt."""
        if report.status is None:
            return ReceiptResult("noted", match.message_id, None)
        steps, current = apply_receipt(
            self._currents[match.message_id],
            report.status,
            provider=provider,
            ref=report.ref,
            attempt=match.attempt,
        )
        self._currents[match.message_id] = current
        if len(current.parts) > 1:  # the only part says no more than its message does
            self.told.update({(p.provider, p.ref): p.status for p in current.parts if p.status is not None})
        reason = report.reason or matching.DEFAULT_REASON
        self._moves.setdefault(match.message_id, []).extend((step, provider, reason) for step in steps)
        if report.opted_out and steps:  # a repeated one would undo a START that came meanwhile
            self.opted_out.append(match.message_id)
        return ReceiptResult("moved" if steps else "noted", match.message_id, None)

    @property
    def beyond(self) -> frozenset[int]:
        """The messages that make more than one move."""
        return frozenset(message_id for message_id, moves in self._moves.items() if len(moves) > 1)

    def rounds(self, receipt_timeout: datetime) -> Sequence[Sequence[MatchStep]]:
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


def _step(
    message_id: int, status: Status, provider: str, reason: str, receipt_timeout: datetime
) -> MatchStep:
    if status is Status.SENT:
        return MatchStep(message_id, status, provider, "its receipt says so", receipt_timeout)
    return MatchStep(message_id, status, provider, reason, None)


def _again(receipt: WaitingReceipt, now: datetime) -> ReceiptResult:
    if now - receipt.received_at > KEEP_TRYING:
        return ReceiptResult("unknown", None, None)
    pause = min(_FIRST_RETRY * 2 ** min(receipt.tries, 20), _LAST_RETRY)
    return ReceiptResult("new", None, now + pause)
