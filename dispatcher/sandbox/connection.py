"""
One connection of an ESME: it binds, submits, and is delivered to.

Source: SMPP v3.4, issue 1.2: states of a session 2.2, what each may carry 2.3, generic_nack 4.3.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol, cast

from dispatcher.sandbox.outbox import Delivery, Outbox
from dispatcher.sandbox.settings import SandboxSettings
from dispatcher.smpp.constants import RESPONSE_BIT, Command, CommandStatus, Tag
from dispatcher.smpp.pdu import (
    LAST_SEQUENCE,
    VERSION,
    BadPdu,
    Bind,
    Pdu,
    Splitter,
    encode,
    encode_id,
    encode_tlvs,
    respond,
)

_BIND_COMMANDS: Final = frozenset({Command.BIND_TRANSMITTER, Command.BIND_RECEIVER, Command.BIND_TRANSCEIVER})
_BIND_RESPONSE_BODY: Final = encode_id("sandbox") + encode_tlvs({Tag.SC_INTERFACE_VERSION: bytes([VERSION])})


class ServiceCenter(Protocol):
    """What stands behind all connections."""

    @property
    def settings(self) -> SandboxSettings:
        """How it behaves now."""

    def admit(self, connection: "Connection", bind: Bind) -> CommandStatus:
        """Take an ESME in, or say why not."""

    def outbox(self, system_id: str) -> Outbox:
        """Give what waits for an ESME."""

    def submit(self, connection: "Connection", request: Pdu) -> None:
        """Decide on a submit_sm, and answer it in its time."""

    def leave(self, connection: "Connection") -> None:
        """Note that a connection has ended."""

    def garbled(self) -> None:
        """Count what is no SMPP."""


class Connection(asyncio.Protocol):
    """
    One ESME's; `command` is the kind of bind, None before it.

    What is written in one step of the loop goes out in one piece. `outbox` is
    what it receives from, None if it does not.
    """

    def __init__(self, center: ServiceCenter) -> None:
        self.system_id = ""
        self.command: Command | None = None
        self.outbox: Outbox | None = None
        self._center = center
        self._loop = asyncio.get_running_loop()
        self._splitter = Splitter()
        self._unwritten: list[bytes] = []
        self._unanswered: dict[int, tuple[float, Delivery]] = {}
        self._sequence = 0
        self._paused = False
        self._heard = self._asked = False
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._doers: Mapping[int, Callable[[Pdu], None]] = {
            Command.SUBMIT_SM: self._submitted,
            Command.DELIVER_SM_RESP: self._answered,
            Command.ENQUIRE_LINK: self.answer,
            Command.UNBIND: self._unbind,
            Command.UNBIND_RESP: lambda _: self._transport.close(),
            Command.GENERIC_NACK: self._answered,
            **dict.fromkeys(_BIND_COMMANDS, self._bind),
        }

    # What the center and the outbox do with it.

    def answer(self, request: Pdu, status: int = CommandStatus.ESME_ROK, body: bytes = b"") -> None:
        """Answer a request."""
        self._write(respond(request, status=status, body=body))

    def hang_up(self) -> None:
        """End the connection without a word."""
        self._unwritten.clear()
        self._transport.abort()

    def unbind(self) -> None:
        """Take leave of the ESME."""
        self._write(encode(Command.UNBIND, sequence=self._next()))

    @property
    def room(self) -> int:
        """How many deliveries more may be out."""
        return 0 if self._paused else self._center.settings.smpp_window - len(self._unanswered)

    def deliver(self, delivery: Delivery) -> None:
        """Send a deliver_sm, and wait for its answer for a while."""
        sequence = self._next()
        self._unanswered[sequence] = (self._loop.time(), delivery)
        self._write(encode(Command.DELIVER_SM, sequence=sequence, body=delivery.body))
        if len(self._unanswered) == 1:
            self._later(self._center.settings.smpp_repeat_s, self._repeat)

    def forget(self) -> None:
        """Expect no answers to what was delivered."""
        self._unanswered.clear()

    # What asyncio does with it.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # that of uvloop is none by its class

    def data_received(self, data: bytes) -> None:
        """Take every PDU that is whole; at a length that no PDU has nothing more can be read."""
        self._heard = True
        try:
            for pdu in self._splitter.feed(data):
                self._take(pdu)
        except BadPdu:
            self._center.garbled()
            self._nack(0, CommandStatus.ESME_RINVCMDLEN)
            self._flush()
            self._transport.close()

    def pause_writing(self) -> None:
        """Deliver no more: the ESME does not read."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        if self.outbox is not None:
            self.outbox.pump()

    def connection_lost(self, error: Exception | None) -> None:
        """End: what was delivered and not answered is delivered again, over another bind."""
        for timer in self._timers.values():
            timer.cancel()
        self._unwritten.clear()
        self._center.leave(self)
        if self.outbox is not None:
            self.outbox.close(self)
            unanswered, self._unanswered = self._unanswered, {}
            self.outbox.again([delivery for _, delivery in unanswered.values()])

    # What a PDU means.

    def _take(self, pdu: Pdu) -> None:
        if self._transport.is_closing():
            return
        doer = self._doers.get(pdu.command)
        if doer is not None:
            doer(pdu)
        elif pdu.command < RESPONSE_BIT:
            self._nack(pdu.sequence, CommandStatus.ESME_RINVCMDID)

    def _bind(self, pdu: Pdu) -> None:
        try:
            bind = Bind.decode(pdu.body)
        except BadPdu:
            self.answer(pdu, CommandStatus.ESME_RBINDFAIL)
            return
        status = CommandStatus.ESME_RALYBND if self.command else self._center.admit(self, bind)
        if status != CommandStatus.ESME_ROK:
            self.answer(pdu, status)
            return
        self.system_id, self.command = bind.system_id, Command(pdu.command)
        self.answer(pdu, body=_BIND_RESPONSE_BODY)
        self._enquire_later()
        if self.command != Command.BIND_TRANSMITTER:
            self.outbox = self._center.outbox(self.system_id)
            self.outbox.open(self)

    def _submitted(self, pdu: Pdu) -> None:
        if self.command in (Command.BIND_TRANSMITTER, Command.BIND_TRANSCEIVER):
            self._center.submit(self, pdu)
        else:
            self.answer(pdu, CommandStatus.ESME_RINVBNDSTS)

    def _answered(self, pdu: Pdu) -> None:
        if self.outbox is not None and (found := self._unanswered.pop(pdu.sequence, None)):
            is_refused = pdu.command == Command.GENERIC_NACK and not pdu.status
            self.outbox.answered(found[1], CommandStatus.ESME_RUNKNOWNERR if is_refused else pdu.status)
            self.outbox.pump()

    def _unbind(self, pdu: Pdu) -> None:
        self.answer(pdu)
        self._flush()
        self._transport.close()

    def _nack(self, sequence: int, status: CommandStatus) -> None:
        self._write(encode(Command.GENERIC_NACK, sequence=sequence, status=status))

    # What comes with time.

    def _repeat(self) -> None:
        """Give back what was not answered in time."""
        patience = self._center.settings.smpp_repeat_s
        overdue = []
        for sequence, (at, delivery) in list(self._unanswered.items()):
            if (left := at + patience - self._loop.time()) > 0:
                self._later(left, self._repeat)
                break
            del self._unanswered[sequence]
            overdue.append(delivery)
        if self.outbox is not None and overdue:
            self.outbox.again(overdue)

    def _enquire(self) -> None:
        """Ask an ESME that said nothing whether it is there; hang up if it said nothing to that either."""
        if self._heard:
            self._asked = False
        elif self._asked:
            self.hang_up()
            return
        else:
            self._asked = True
            self._write(encode(Command.ENQUIRE_LINK, sequence=self._next()))
        self._heard = False
        self._enquire_later()

    def _enquire_later(self) -> None:
        if pause := self._center.settings.smpp_enquire_s:
            self._later(pause, self._enquire)

    def _later(self, delay: float, action: Callable[[], None]) -> None:
        """Set the one timer of an action."""
        if (timer := self._timers.get(action)) is not None:
            timer.cancel()
        self._timers[action] = self._loop.call_later(delay, action)

    def _next(self) -> int:
        self._sequence = self._sequence % LAST_SEQUENCE + 1
        return self._sequence

    def _write(self, data: bytes) -> None:
        if not self._unwritten:
            self._loop.call_soon(self._flush)
        self._unwritten.append(data)

    def _flush(self) -> None:
        if self._unwritten and not self._transport.is_closing():
            self._transport.write(b"".join(self._unwritten))
        self._unwritten.clear()
