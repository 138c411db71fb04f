"""
Deliveries of the SMSC, reported in batches. Each is answered only after it is stored.

While one batch is being reported, the next one collects, so thousands per second
need few transactions. The parts of a handset's message wait for each other for a
few seconds, unanswered: the SMSC keeps them, and delivers them again if this
process dies or its bind is lost.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

import structlog

from dispatcher.providers.contract import Inbound, ProviderReports, ReportHandler, Unavailable
from dispatcher.providers.smpp.deliveries import DeliveryReader, InboundPart
from dispatcher.providers.smpp.session import Session
from dispatcher.smpp.constants import CommandStatus
from dispatcher.smpp.pdu import Pdu, Sm

log = structlog.get_logger()

_MAX_BATCH = 500
_CLOSE_TIMEOUT = 5.0
_MAX_WAITING = 10_000
"""The most reports and incomplete messages that wait; above it, deliveries are refused for now."""


class _Delivery(NamedTuple):
    session: Session
    request: Pdu

    def answer(self, status: int) -> None:
        self.session.acknowledge([self.request], status)


class _PendingReport(NamedTuple):
    """One report, and the deliveries to answer afterwards: one, or one for each part."""

    report: ProviderReports
    deliveries: tuple[_Delivery, ...]


class _PartialMessage:
    """The parts received so far of one message; `timer` reports them even if some are missing."""

    def __init__(self, timer: asyncio.TimerHandle) -> None:
        self.timer = timer
        self.parts: dict[int, tuple[Inbound, tuple[_Delivery, ...]]] = {}

    def joined(self) -> _PendingReport:
        parts = [self.parts[number] for number in sorted(self.parts)]
        first = parts[0][0]
        text = "".join(inbound.text for inbound, _ in parts)
        whole = Inbound(sender=first.sender, recipient=first.recipient, text=text)
        return _PendingReport(whole, tuple(delivery for _, deliveries in parts for delivery in deliveries))


class Inbox:
    """The deliveries of all binds of a provider: the parts of a message may come over any of them."""

    def __init__(self, name: str, report: ReportHandler, reader: DeliveryReader, *, join: timedelta) -> None:
        self._name = name
        self._report = report
        self._reader = reader
        self._join = join.total_seconds()
        self._waiting: list[_PendingReport] = []
        self._incomplete: dict[tuple[str, str, int, int], _PartialMessage] = {}
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def take(self, session: Session, request: Pdu, sm: Sm) -> None:
        """Accept a delivery. It is answered when it is stored, or refused for now."""
        delivery = _Delivery(session, request)
        if self._closed or len(self._waiting) + len(self._incomplete) >= _MAX_WAITING:
            delivery.answer(CommandStatus.ESME_RX_T_APPN)
            return
        match self._reader.read(sm):
            case None:
                log.error("smpp_receipt_names_nothing", provider=self._name)
                delivery.answer(CommandStatus.ESME_ROK)  # another delivery of it would name none either
            case InboundPart() as part:
                self._add_part(part, delivery)
            case report:
                self._put(_PendingReport(report, (delivery,)))

    def forget(self, session: Session) -> None:
        """Drop the parts of a lost bind: the SMSC delivers them again."""
        for key, message in list(self._incomplete.items()):
            for number, (_, deliveries) in list(message.parts.items()):
                if any(delivery.session is session for delivery in deliveries):
                    del message.parts[number]
            if not message.parts:
                self._drop(key)

    async def close(self) -> None:
        """Finish the batch that is being reported; the SMSC delivers the rest again."""
        self._closed = True
        for key in list(self._incomplete):
            self._drop(key)
        self._waiting.clear()
        if self._task is not None:
            _, late = await asyncio.wait([self._task], timeout=_CLOSE_TIMEOUT)
            for task in late:
                task.cancel()

    def _add_part(self, part: InboundPart, delivery: _Delivery) -> None:
        inbound, info = part
        key = (inbound.sender, inbound.recipient, info.reference, info.total)
        message = self._incomplete.get(key)
        if message is None:
            timer = asyncio.get_running_loop().call_later(self._join, self._complete, key)
            message = self._incomplete[key] = _PartialMessage(timer)
        _, earlier = message.parts.get(info.number, (inbound, ()))
        message.parts[info.number] = (inbound, (*earlier, delivery))
        if len(message.parts) == info.total:
            self._complete(key)

    def _complete(self, key: tuple[str, str, int, int]) -> None:
        message = self._drop(key)
        self._put(message.joined())

    def _drop(self, key: tuple[str, str, int, int]) -> _PartialMessage:
        message = self._incomplete.pop(key)
        message.timer.cancel()
        return message

    def _put(self, pending: _PendingReport) -> None:
        self._waiting.append(pending)
        if self._task is None:
            self._task = asyncio.create_task(self._report_all())

    async def _report_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MAX_BATCH], self._waiting[_MAX_BATCH:]
                await self._report_batch(batch)
        finally:
            self._task = None

    async def _report_batch(self, batch: Sequence[_PendingReport]) -> None:
        try:
            await self._report([pending.report for pending in batch])
        except Unavailable as error:
            log.warning("smpp_not_told", provider=self._name, count=len(batch), error=str(error))
            _answer(batch, CommandStatus.ESME_RX_T_APPN)
        except Exception:  # a bug: one by one, so that the others are stored
            if len(batch) > 1:
                for pending in batch:
                    await self._report_batch([pending])
                return
            log.exception("smpp_not_told", provider=self._name, count=1)
            _answer(batch, CommandStatus.ESME_RX_T_APPN)
        else:
            _answer(batch, CommandStatus.ESME_ROK)


def _answer(batch: Sequence[_PendingReport], status: int) -> None:
    """Answer all deliveries of a batch, in one write to each bind."""
    answers: dict[Session, list[Pdu]] = {}
    for session, request in (delivery for pending in batch for delivery in pending.deliveries):
        answers.setdefault(session, []).append(request)
    for session, requests in answers.items():
        session.acknowledge(requests, status)
