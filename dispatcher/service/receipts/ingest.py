"""Ingest of receipts: simple ones change their message at once, the others are matched later in batches."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.delivery.inbound_part import InboundPart
from dispatcher.domain.delivery.provider import (
    Inbound,
    InboundData,
    Listens,
    ProviderReports,
    ReceiptReport,
    ReceiptRequest,
)
from dispatcher.domain.errors import BadReceipt, NotFound, Unavailable
from dispatcher.domain.messages.text import storable_text
from dispatcher.service.context import Batched, Context
from dispatcher.service.delivery.recorder import LONGEST_REASON
from dispatcher.service.inbound import joining, messages
from dispatcher.service.receipts.message_changes import MessageChanges
from dispatcher.store.accounts import opt_outs
from dispatcher.store.receipts import ingest, matching
from dispatcher.store.receipts.matching import (
    ReceiptResult,
    ReceivedReceipt,
    WaitingReceipt,
)

log = structlog.get_logger()

BATCH = 500
_LONGEST_REF = 500
KEEP_TRYING = timedelta(hours=24)
_FIRST_RETRY = timedelta(milliseconds=250)
_LAST_RETRY = timedelta(minutes=10)
_LEFT = ReceiptResult("new", None, None)
_AT_ONCE = 2  # while Postgres stores one group of receipts, the next group is looked up


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The number of stored reports, and whether some receipts are left for `match`."""

    count: int
    has_left: bool


async def receive(ctx: Context, provider: str, request: ReceiptRequest) -> IngestResult:
    """
    Store the reports that a provider sends to our URL.

    Raises NotFound for a provider that is not configured, BadSignature and
    BadReceipt from the plug-in, Unavailable when the reports cannot be stored.
    """
    configured = ctx.providers.get(provider)
    if configured is None:
        raise NotFound(f"there is no provider {provider!r}")
    return await keep(ctx, provider, configured.provider.read_receipt(request))


async def keep(ctx: Context, provider: str, reports: Sequence[ProviderReports]) -> IngestResult:
    """
    Store the reports of a provider, over whichever channel they came; data of handsets is logged only.

    A receipt that makes one transition of a message with one part makes it at
    once, if nobody else changes that message now. All others are left to
    `match`. Raises BadReceipt and Unavailable: then the provider must report
    again. Inbound messages without a reference could be stored twice, so
    inbound messages are stored last; their parts cannot.
    """
    receipts = [
        ReceivedReceipt(provider, _with_storable_text(report))
        for report in reports
        if isinstance(report, ReceiptReport)
    ]
    has_left = bool(receipts) and await ctx.batcher(_KEEPING).run(receipts)
    if len(receipts) < len(reports):
        await joining.keep_parts(ctx, provider, [one for one in reports if isinstance(one, InboundPart)])
        await messages.keep(ctx, provider, [one for one in reports if isinstance(one, Inbound)])
        for data in [one for one in reports if isinstance(one, InboundData)]:
            log.warning("inbound_data_left_out", provider=provider, kind=data.kind, ref=data.ref)
    return IngestResult(len(reports), has_left)


async def _keep(ctx: Context, groups: Sequence[Sequence[ReceivedReceipt]]) -> list[bool]:
    """Store receipts that arrived at the same moment, in short statements; return whether some are left."""
    receipts = [receipt for group in groups for receipt in group]
    unmatched = [
        await _keep_batch(ctx, receipts[start : start + BATCH]) for start in range(0, len(receipts), BATCH)
    ]
    return [any(unmatched)] * len(groups)


_KEEPING = Batched(_keep, at_once=_AT_ONCE)


async def _keep_batch(ctx: Context, receipts: Sequence[ReceivedReceipt]) -> int:
    """Store receipts; return how many of them are left for `match`."""
    now = ctx.now()
    since = now - ctx.settings.retry_policy.receipt
    found = await ctx.database.single(lambda c: ingest.find(c, receipts, since=since))
    changes = MessageChanges({one.match.message_id: one.current for one in found.values()})
    results = [
        changes.apply(*receipt, found[n].match) if n in found else None for n, receipt in enumerate(receipts)
    ]
    left_to_match = changes.with_several_steps.union(changes.opted_out)
    stored = [_LEFT if result is None or result.message_id in left_to_match else result for result in results]
    seqs = [found[n].seq if result.verdict == "moved" else None for n, result in enumerate(stored)]
    return await ctx.database.single(lambda c: ingest.store(c, receipts, stored, seqs, now=now))


async def match(ctx: Context) -> int:
    """Match the receipts that are due, in batches until one is not full; return how many were examined."""
    total = 0
    while True:
        count = await ctx.database.transact(lambda connection: _match(ctx, connection))
        total += count
        if count < BATCH:
            return total


def listen(ctx: Context, matcher: "ReceiptMatcher") -> bool:
    """
    Start to accept reports over the connections to providers; return whether any provider can send them.

    For processes that send messages, before they do. Reports are stored before
    the provider is answered, and the matcher matches the receipts that are left.
    """
    listening = {
        name: configured.provider
        for name, configured in ctx.providers.items()
        if isinstance(configured.provider, Listens)
    }
    for name, provider in listening.items():
        provider.listen(partial(_on_reports, ctx, matcher, name))
    return bool(listening)


async def _on_reports(
    ctx: Context, matcher: "ReceiptMatcher", provider: str, reports: Sequence[ProviderReports]
) -> None:
    try:
        if (await keep(ctx, provider, reports)).has_left:
            matcher.notify()
    except BadReceipt as error:
        for report in reports if len(reports) > 1 else ():
            await _on_reports(ctx, matcher, provider, [report])
        if len(reports) == 1:  # a provider would repeat a refused report for ever
            log.warning("receipt_dropped", provider=provider, error=str(error))


class ReceiptMatcher:
    """Matches receipts soon after they were stored; one for each process that accepts receipts."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._notified = asyncio.Event()

    def notify(self) -> None:
        """Make `run` match soon."""
        self._notified.set()

    async def run(self) -> None:
        """Match after each `notify`, until cancelled; beat's task matches the receipts that this misses."""
        while True:
            await self._notified.wait()
            await asyncio.sleep(self._ctx.settings.flush_interval)
            self._notified.clear()
            try:
                await match(self._ctx)
            except Unavailable as error:
                log.warning("receipts_left_to_the_clock", error=str(error))


def _with_storable_text(report: ReceiptReport) -> ReceiptReport:
    if report.ref is not None and storable_text(report.ref, longest=_LONGEST_REF) != report.ref:
        raise BadReceipt("the reference is too long, or has a character that cannot be stored")
    reason = storable_text(report.reason, longest=LONGEST_REASON)
    remark = storable_text(report.remark, longest=LONGEST_REASON)
    if (reason, remark) == (report.reason, report.remark):
        return report
    return replace(report, reason=reason, remark=remark)


async def _match(ctx: Context, connection: AsyncConnection) -> int:
    now = ctx.now()
    waiting = await matching.pick(connection, now=now, limit=BATCH)
    if not waiting:
        return 0
    matches, currents = await matching.lock(
        connection,
        [ReceivedReceipt(r.provider, r.report) for r in waiting],
        since=now - ctx.settings.retry_policy.receipt,
    )
    changes = MessageChanges(currents)
    results = [
        changes.apply(r.provider, r.report, matches[n]) if n in matches else _later(r, now)
        for n, r in enumerate(waiting)
    ]
    if changes.part_statuses:
        await matching.set_part_statuses(connection, changes.part_statuses)
    for steps in changes.rounds(now + ctx.settings.retry_policy.receipt):
        await matching.apply_steps(connection, steps, now=now)
    if changes.opted_out:
        await opt_outs.insert_reported(connection, changes.opted_out, now=now)
    await matching.settle(connection, [(r.id, result) for r, result in zip(waiting, results, strict=True)])
    return len(waiting)


def _later(receipt: WaitingReceipt, now: datetime) -> ReceiptResult:
    """Return when to match again a receipt without a message, or that it is given up."""
    remark = receipt.report.remark
    if now - receipt.received_at > KEEP_TRYING:
        return ReceiptResult("unknown", None, None, remark)
    pause = min(_FIRST_RETRY * 2 ** min(receipt.tries, 20), _LAST_RETRY)
    return ReceiptResult("new", None, now + pause, remark)
