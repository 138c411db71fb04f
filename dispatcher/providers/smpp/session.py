"""
One connection to an SMSC: the bind, submits and their responses, and deliveries.

However it ends, `connection_lost` is called, and each part that was written and
not answered becomes Unknown. No submit is written before the SMSC accepted the
bind.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import structlog

from dispatcher.providers.contract import Unknown
from dispatcher.providers.smpp.calls import PendingSubmit, SubmitQueue
from dispatcher.providers.smpp.outcomes import ResponseReader
from dispatcher.smpp.constants import RESPONSE_BIT, Command, CommandStatus, status_name
from dispatcher.smpp.pdu import (
    LAST_SEQUENCE,
    BadPdu,
    Pdu,
    Sm,
    Splitter,
    decode_id,
    encode,
    encode_id,
    respond,
)

log = structlog.get_logger()

_BIND_SEQUENCE = 1
_MAX_UNWRITTEN = 32 * 1024
_NO_ID = encode_id("")

DeliveryHandler = Callable[["Session", Pdu, Sm], None]
"""Handles a delivery, and calls `Session.acknowledge` when it is stored."""


class BindRefused(Exception):
    """The SMSC refused the bind."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"the SMSC refused the bind: {status_name(status)}")


class Session(asyncio.Protocol):
    """
    One bind. `closed` is set, with the reason, when the connection is closed.

    `pdus_received` counts whole PDUs: other octets do not show that the SMSC is alive.
    `responses_dropped` counts responses to nothing that waits: with an unknown or
    answered sequence number, or of another type than its request.
    """

    def __init__(
        self, name: str, *, window: int, queue: SubmitQueue, reader: ResponseReader, deliver: DeliveryHandler
    ) -> None:
        loop = asyncio.get_running_loop()
        self._name = name
        self._window = window
        self._queue = queue
        self._reader = reader
        self._deliver = deliver
        self._splitter = Splitter()
        self._pending: dict[int, tuple[PendingSubmit, int]] = {}
        self._unwritten: list[bytes] = []
        self._waiting_bytes = 0
        self._sequence = _BIND_SEQUENCE
        self._paused = False
        self._transport: asyncio.Transport
        self._close_reason = "the SMSC closed the connection"
        self._bound: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[str] = loop.create_future()
        self.pdus_received = 0
        self.responses_dropped = 0
        self._bind_response = 0
        self._has_unbound = False
        self._next_pdu: asyncio.Future[None] | None = None

    # Called by the link.

    async def bind(self, command: Command, body: bytes) -> None:
        """Bind. Raises BindRefused, or ConnectionError if the connection ends first."""
        self._bind_response = command | RESPONSE_BIT
        self._transport.write(encode(command, sequence=_BIND_SEQUENCE, body=body))
        await self._bound

    def enquire(self) -> asyncio.Future[None]:
        """Send enquire_link, and return a future that is set with the next PDU."""
        self._next_pdu = asyncio.get_running_loop().create_future()
        self._write(encode(Command.ENQUIRE_LINK, sequence=self._next()))
        return self._next_pdu

    def unbind(self) -> None:
        """Send unbind; the SMSC answers, and then `closed` is set."""
        self._queue.remove(self)
        self._close_reason = "we unbound"
        self._has_unbound = True
        self._write(encode(Command.UNBIND, sequence=self._next()))

    def abort(self, reason: str) -> None:
        """Close the connection immediately, with this reason."""
        self._close_reason = reason
        self._queue.remove(self)
        self._transport.abort()

    def acknowledge(self, requests: Sequence[Pdu], status: int) -> None:
        """Answer deliveries in one write."""
        self._write(b"".join([respond(request, status=status, body=_NO_ID) for request in requests]))

    # Called by the queue: see `calls.BoundSession`.

    @property
    def free_window(self) -> int:
        """How many more parts may be unanswered."""
        if self._paused:
            return 0
        return self._window - len(self._pending)

    def put(self, submit: PendingSubmit, part: int) -> int:
        """Write a part with the next flush, or now if many bytes wait: the SMSC may not be reading."""
        body, sequence = submit.parts.bodies[part], self._next()
        self._pending[sequence] = (submit, part)
        self._unwritten.append(encode(Command.SUBMIT_SM, sequence=sequence, body=body))
        self._waiting_bytes += len(body)
        if self._waiting_bytes > _MAX_UNWRITTEN:
            self.flush()
        return sequence

    def flush(self) -> None:
        """Write all parts that were put."""
        if self._unwritten:
            self._write(b"".join(self._unwritten))
            self._unwritten.clear()
            self._waiting_bytes = 0

    def forget(self, sequence: int) -> None:
        """Expect no response to a part: its window is free again, and a late response is ignored."""
        self._pending.pop(sequence, None)

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        """Handle what was received, then write messages that fit the window now."""
        before = self.pdus_received
        try:
            for pdu in self._splitter.feed(data):
                self.pdus_received += 1
                self._handle(pdu)
        except BadPdu as error:
            self.abort(f"the SMSC does not speak SMPP: {error}")
        if self._next_pdu is not None and self.pdus_received != before:
            self._next_pdu.set_result(None)
            self._next_pdu = None
        self._queue.pump()

    def pause_writing(self) -> None:
        """Write no more submits: the SMSC does not read."""
        self._paused = True

    def resume_writing(self) -> None:
        """Continue with waiting messages."""
        self._paused = False
        self._queue.pump()

    def connection_lost(self, error: Exception | None) -> None:
        """End the session: unanswered parts may have been accepted, so they become Unknown."""
        self._queue.remove(self)
        reason = f"the connection broke: {error}" if error else self._close_reason
        pending, self._pending = self._pending, {}
        for submit, part in pending.values():
            submit.answer(part, Unknown(f"{reason} before it answered"))
        self.closed.set_result(reason)
        if not self._bound.done():
            self._bound.set_exception(ConnectionError(reason))
            self._bound.exception()  # retrieved here, because no caller may wait for it

    # Handling of PDUs.

    def _handle(self, pdu: Pdu) -> None:
        match pdu.command:
            case Command.SUBMIT_SM_RESP:
                self._on_response(pdu)
            case Command.DELIVER_SM | Command.DATA_SM:
                self._on_delivery(pdu)
            case Command.ENQUIRE_LINK:
                self._write(respond(pdu))
            case Command.UNBIND:
                self._close_reason = "the SMSC unbound"
                self._write(respond(pdu))
                self._queue.remove(self)
                self._transport.close()
            case Command.UNBIND_RESP if self._has_unbound:
                self._transport.close()
            case Command.GENERIC_NACK:
                self._on_response(pdu) if self._bound.done() else self._on_bind_response(pdu)
            case self._bind_response if not self._bound.done() and pdu.sequence == _BIND_SEQUENCE:
                self._on_bind_response(pdu)
            case Command.ENQUIRE_LINK_RESP:
                pass  # any PDU shows that the SMSC is alive
            case command if command < RESPONSE_BIT:
                status = CommandStatus.ESME_RINVCMDID
                self._write(encode(Command.GENERIC_NACK, sequence=pdu.sequence, status=status))
            case _:
                self._drop(pdu)

    def _on_response(self, pdu: Pdu) -> None:
        submit, part = self._pending.pop(pdu.sequence, (None, 0))
        if submit is not None:
            submit.answer(part, self._reader.outcome(pdu.status, decode_id(pdu.body)))
        elif pdu.command == Command.GENERIC_NACK:  # the part without a response ends by its timeout
            log.warning("smpp_nack", provider=self._name, status=status_name(pdu.status))
        else:
            self._drop(pdu)

    def _drop(self, pdu: Pdu) -> None:
        """Count a response to nothing that waits; log the first of a bind, and then at each doubling."""
        self.responses_dropped += 1
        if self.responses_dropped.bit_count() == 1:
            log.warning(
                "smpp_responses_dropped",
                provider=self._name,
                dropped=self.responses_dropped,
                command=hex(pdu.command),
                sequence=pdu.sequence,
            )

    def _on_delivery(self, pdu: Pdu) -> None:
        try:
            sm = Sm.decode_data(pdu.body) if pdu.command == Command.DATA_SM else Sm.decode(pdu.body)
        except BadPdu as error:
            log.warning("smpp_not_readable", provider=self._name, error=str(error))
            self.acknowledge([pdu], CommandStatus.ESME_RX_P_APPN)
        else:
            self._deliver(self, pdu, sm)

    def _on_bind_response(self, pdu: Pdu) -> None:
        if self._bound.done():
            return
        if pdu.status or pdu.command == Command.GENERIC_NACK:
            self._bound.set_exception(BindRefused(pdu.status))
        else:
            self._bound.set_result(None)
            self._queue.add(self)

    def _next(self) -> int:
        self._sequence = self._sequence + 1 if self._sequence < LAST_SEQUENCE else _BIND_SEQUENCE
        return self._sequence

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)
