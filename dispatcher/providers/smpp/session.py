"""
One connection to an SMSC: it is bound, carries submits and their answers, and takes what the SMSC delivers.

Every way in which it can end ends in `connection_lost`, where each part that
was written and not answered becomes Unknown. Nothing is written before the
SMSC took the bind.
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
"""Takes what the SMSC delivers; `Session.acknowledge` answers it, when it is kept."""


class BindRefused(Exception):
    """The SMSC refuses the bind."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"the SMSC refused the bind: {status_name(status)}")


class Session(asyncio.Protocol):
    """
    One bind. `closed` is set, with the reason, when the connection is gone.

    `heard` counts the PDUs that came: octets that make none are no sign of life.
    """

    def __init__(
        self, name: str, *, window: int, queue: SubmitQueue, judge: ResponseReader, deliver: DeliveryHandler
    ) -> None:
        loop = asyncio.get_running_loop()
        self._name = name
        self._window = window
        self._queue = queue
        self._judge = judge
        self._deliver = deliver
        self._splitter = Splitter()
        self._pending: dict[int, tuple[PendingSubmit, int]] = {}
        self._unwritten: list[bytes] = []
        self._waiting_bytes = 0
        self._sequence = _BIND_SEQUENCE
        self._paused = False
        self._transport: asyncio.Transport
        self._why = "the SMSC closed the connection"
        self._bound: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[str] = loop.create_future()
        self.heard = 0
        self._sign: asyncio.Future[None] | None = None

    # What the link does with it.

    async def bind(self, command: Command, body: bytes) -> None:
        """Ask to be bound; raises Refused, and ConnectionError if the connection ends first."""
        self._transport.write(encode(command, sequence=_BIND_SEQUENCE, body=body))
        await self._bound

    def enquire(self) -> asyncio.Future[None]:
        """Ask whether anybody is there; give what is set with the next PDU that comes."""
        self._sign = asyncio.get_running_loop().create_future()
        self._write(encode(Command.ENQUIRE_LINK, sequence=self._next()))
        return self._sign

    def unbind(self) -> None:
        """Take leave; the SMSC answers, and `closed` follows."""
        self._queue.remove(self)
        self._why = "we took leave"
        self._write(encode(Command.UNBIND, sequence=self._next()))

    def abort(self, why: str) -> None:
        """End the connection at once."""
        self._why = why
        self._queue.remove(self)
        self._transport.abort()

    def acknowledge(self, requests: Sequence[Pdu], status: int) -> None:
        """Answer what was delivered, in one write."""
        self._write(b"".join([respond(request, status=status, body=_NO_ID) for request in requests]))

    # What the queue does with it: see `calls.Bound`.

    @property
    def room(self) -> int:
        """How many parts more may be out."""
        if self._paused:
            return 0
        return self._window - len(self._pending) if self._pending else LAST_SEQUENCE

    def put(self, submit: PendingSubmit) -> None:
        """Write all parts with the next flush, or before it where they are much: the SMSC may not read."""
        sequences = []
        for part, body in enumerate(submit.bodies):
            sequence = self._next()
            self._pending[sequence] = (submit, part)
            self._unwritten.append(encode(Command.SUBMIT_SM, sequence=sequence, body=body))
            sequences.append(sequence)
            self._waiting_bytes += len(body)
        submit.sequences = tuple(sequences)
        if self._waiting_bytes > _MAX_UNWRITTEN:
            self.flush()

    def flush(self) -> None:
        """Write what was put."""
        if self._unwritten:
            self._write(b"".join(self._unwritten))
            self._unwritten.clear()
            self._waiting_bytes = 0

    def forget(self, submit: PendingSubmit) -> None:
        """Expect no answers to it any more: their room is free, and an answer that comes is nobody's."""
        for sequence in submit.sequences:
            self._pending.pop(sequence, None)

    # What asyncio does with it.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by name

    def data_received(self, data: bytes) -> None:
        """Take what came, and use the room it made."""
        heard = self.heard
        try:
            for pdu in self._splitter.feed(data):
                self.heard += 1
                self._take(pdu)
        except BadPdu as wrong:
            self.abort(f"the SMSC does not speak SMPP: {wrong}")
        if self._sign is not None and self.heard != heard:
            self._sign.set_result(None)
            self._sign = None
        self._queue.pump()

    def pause_writing(self) -> None:
        """Write no more: the SMSC does not read."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        self._queue.pump()

    def connection_lost(self, error: Exception | None) -> None:
        """End: what was written and not answered may have been taken."""
        self._queue.remove(self)
        why = f"the connection broke: {error}" if error else self._why
        pending, self._pending = self._pending, {}
        for submit, part in pending.values():
            submit.answer(part, Unknown(f"{why} before it answered"))
        self.closed.set_result(why)
        if not self._bound.done():
            self._bound.set_exception(ConnectionError(why))
            self._bound.exception()  # nobody may wait for it any more

    # What a PDU means.

    def _take(self, pdu: Pdu) -> None:
        match pdu.command:
            case Command.SUBMIT_SM_RESP:
                self._answered(pdu)
            case Command.DELIVER_SM:
                self._delivered(pdu)
            case Command.ENQUIRE_LINK:
                self._write(respond(pdu))
            case Command.UNBIND:
                self._why = "the SMSC took leave"
                self._write(respond(pdu))
                self._queue.remove(self)
                self._transport.close()
            case Command.UNBIND_RESP:
                self._transport.close()
            case Command.GENERIC_NACK:
                self._answered(pdu) if self._bound.done() else self._bind_answered(pdu)
            case Command.BIND_TRANSCEIVER_RESP | Command.BIND_TRANSMITTER_RESP:
                self._bind_answered(pdu)
            case command if command < RESPONSE_BIT:
                status = CommandStatus.ESME_RINVCMDID
                self._write(encode(Command.GENERIC_NACK, sequence=pdu.sequence, status=status))

    def _answered(self, pdu: Pdu) -> None:
        submit, part = self._pending.pop(pdu.sequence, (None, 0))
        if submit is not None:
            submit.answer(part, self._judge.outcome(pdu.status, decode_id(pdu.body)))
        elif pdu.command == Command.GENERIC_NACK:  # what is not answered because of it ends by its time-out
            log.warning("smpp_nack", provider=self._name, status=status_name(pdu.status))

    def _delivered(self, pdu: Pdu) -> None:
        try:
            sm = Sm.decode(pdu.body)
        except BadPdu as wrong:
            log.warning("smpp_not_readable", provider=self._name, error=str(wrong))
            self.acknowledge([pdu], CommandStatus.ESME_RX_P_APPN)
        else:
            self._deliver(self, pdu, sm)

    def _bind_answered(self, pdu: Pdu) -> None:
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
