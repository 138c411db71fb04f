"""The SMPP provider: open binds, submits that share their windows, and deliveries of the SMSC."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from dispatcher.providers.contract import (
    BadReceipt,
    Gate,
    Outcome,
    Outgoing,
    ProviderConfig,
    ProviderReports,
    ReceiptRequest,
    ReportHandler,
    Unknown,
    Unsent,
)
from dispatcher.providers.smpp.calls import SubmitCall, SubmitQueue
from dispatcher.providers.smpp.deliveries import DeliveryReader
from dispatcher.providers.smpp.ids import IdNormalizer
from dispatcher.providers.smpp.inbox import Inbox
from dispatcher.providers.smpp.link import Link
from dispatcher.providers.smpp.options import read_options
from dispatcher.providers.smpp.outcomes import ResponseReader
from dispatcher.providers.smpp.session import Session
from dispatcher.providers.smpp.submit import SubmitWriter
from dispatcher.smpp.constants import Command, CommandStatus
from dispatcher.smpp.pdu import Pdu, Sm

_MAX_BATCH = 50
_WRITE_SHARE = 0.5  # of the call's time: a part that was written later would have no time for its answer


class SmppProvider:
    """
    Binds with `listen`, or, to send only, with the first message.

    Create it inside the running loop. Raises Misconfigured if an option is wrong.
    """

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._options = read_options(config.name, config.options)
        self._tls = self._options.tls_context()
        self._ids = IdNormalizer(self._options.ids)
        self._reader = ResponseReader(self._options.statuses, self._ids)
        self._writer = SubmitWriter(self._options)
        self._queue = SubmitQueue()
        self._inbox: Inbox | None = None
        self._links: list[asyncio.Task[None]] = []
        self._closed = False
        seconds = config.call_timeout.total_seconds()
        self._write_time = seconds * _WRITE_SHARE
        self._unwritten = Unsent(f"no bind had space in its window within {self._write_time:g} s")
        self._unanswered = Unknown(f"no answer within {seconds:g} s")

    @property
    def max_batch(self) -> int:
        """The number of messages that are claimed together, but no more than fit all windows."""
        return min(_MAX_BATCH, self._options.window * self._options.binds)

    def listen(self, report: ReportHandler) -> None:
        """Bind as a transceiver, and report what the SMSC delivers."""
        reader = DeliveryReader(self._options, self._ids)
        self._inbox = Inbox(self._config.name, report, reader)
        self._bind(Command.BIND_TRANSCEIVER)

    async def send(self, batch: Sequence[Outgoing], gate: Gate) -> Sequence[Outcome]:
        """
        Submit the parts of all messages as they fit the windows, and return their outcomes.

        They are written in the first half of the call, so that each has the
        other half for its answer.
        """
        if not self._links and not self._closed:
            self._bind(Command.BIND_TRANSMITTER)  # without a handler, the SMSC must deliver nothing
        call = SubmitCall(gate, [self._writer.parts(message) for message in batch])
        self._queue.put(call)
        timer = asyncio.get_running_loop().call_later(self._write_time, call.fail_unwritten, self._unwritten)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._config.call_timeout.total_seconds()):
                    await call.done
        finally:
            timer.cancel()
            outcomes = call.finish(self._unwritten, self._unanswered)
            self._queue.pump()
        return outcomes

    def read_receipt(self, request: ReceiptRequest) -> Sequence[ProviderReports]:
        """Raise BadReceipt: the SMSC reports over its binds."""
        raise BadReceipt("this provider reports over SMPP and never calls a URL")

    async def close(self) -> None:
        """Unbind; waiting messages end as Unsent, unanswered ones as Unknown."""
        self._closed = True
        self._queue.close()
        if self._inbox is not None:
            await self._inbox.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def _bind(self, command: Command) -> None:
        for _ in range(self._options.binds):
            link = Link(
                self._config.name,
                self._options,
                command=command,
                tls=self._tls,
                response_timeout=self._config.call_timeout,
                open_session=self._open_session,
                on_down=self._queue.fail_waiting,
            )
            self._links.append(asyncio.create_task(link.run()))

    def _open_session(self) -> Session:
        return Session(
            self._config.name,
            window=self._options.window,
            queue=self._queue,
            reader=self._reader,
            deliver=self._deliver,
        )

    def _deliver(self, session: Session, request: Pdu, sm: Sm) -> None:
        if self._inbox is None:
            session.acknowledge([request], CommandStatus.ESME_RX_T_APPN)
        else:
            self._inbox.take(session, request, sm)
