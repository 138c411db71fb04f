"""
Deliveries of the SMSC, reported in batches. Each is answered only after it is stored.

While one batch is being reported, the next one collects, so thousands per second
need few transactions. A delivery that cannot be stored now is answered "later",
and the SMSC delivers it again.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import structlog

from dispatcher.providers.contract import ProviderReports, ReportHandler, Unavailable
from dispatcher.providers.smpp.deliveries import DeliveryReader, LeftOut
from dispatcher.providers.smpp.session import Session
from dispatcher.smpp.constants import CommandStatus
from dispatcher.smpp.pdu import Pdu, Sm

log = structlog.get_logger()

_MAX_BATCH = 500
_CLOSE_TIMEOUT = 5.0
_MAX_WAITING = 10_000
"""The most reports that wait; above it, deliveries are refused for now."""


class _Delivery(NamedTuple):
    session: Session
    request: Pdu

    def answer(self, status: int) -> None:
        self.session.acknowledge([self.request], status)


class _PendingReport(NamedTuple):
    """One report, and the delivery to answer afterwards."""

    report: ProviderReports
    delivery: _Delivery


class Inbox:
    """The deliveries of all binds of a provider in this process."""

    def __init__(self, name: str, report: ReportHandler, reader: DeliveryReader) -> None:
        self._name = name
        self._report = report
        self._reader = reader
        self._waiting: list[_PendingReport] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def take(self, session: Session, request: Pdu, sm: Sm) -> None:
        """Accept a delivery. It is answered when it is stored, or refused for now."""
        delivery = _Delivery(session, request)
        if self._closed or len(self._waiting) >= _MAX_WAITING:
            delivery.answer(CommandStatus.ESME_RX_T_APPN)
            return
        match self._reader.read(sm):
            case LeftOut() as why:
                log.warning(why.value, provider=self._name, data_coding=sm.data_coding)
                delivery.answer(CommandStatus.ESME_ROK)
            case report:
                if sm.unread:
                    log.warning("smpp_octets_ignored", provider=self._name, count=sm.unread)
                self._put(_PendingReport(report, delivery))

    async def close(self) -> None:
        """Finish the batch that is being reported; the SMSC delivers the rest again."""
        self._closed = True
        self._waiting.clear()
        if self._task is not None:
            _, late = await asyncio.wait([self._task], timeout=_CLOSE_TIMEOUT)
            for task in late:
                task.cancel()

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
    for session, request in (pending.delivery for pending in batch):
        answers.setdefault(session, []).append(request)
    for session, requests in answers.items():
        session.acknowledge(requests, status)
