"""
One connection of an ESME, which binds, submits and receives deliveries.

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
    respond,
)
from dispatcher.smpp.tlvs import encode_tlvs

_BIND_COMMANDS: Final = frozenset({Command.BIND_TRANSMITTER, Command.BIND_RECEIVER, Command.BIND_TRANSCEIVER})
_BIND_RESPONSE_BODY: Final = encode_id("sandbox") + encode_tlvs({Tag.SC_INTERFACE_VERSION: bytes([VERSION])})


class ServiceCenter(Protocol):
    """The state that all connections share."""

    @property
    def settings(self) -> SandboxSettings:
        """The current settings."""

    def authorize(self, connection: "Connection", bind: Bind) -> CommandStatus:
        """Return ESME_ROK if the ESME may bind, else the reason."""

    def outbox(self, system_id: str) -> Outbox:
        """Return the deliveries that wait for an ESME."""

    def submit(self, connection: "Connection", request: Pdu) -> None:
        """Decide on a submit_sm, and answer it after its latency."""

    def disconnected(self, connection: "Connection") -> None:
        """Remove a connection that has ended."""

    def count_invalid(self) -> None:
        """Count data that is not SMPP."""


class Connection(asyncio.Protocol):
    """
    The connection of one ESME. `command` is the kind of bind, None before the bind.

    All PDUs of one step of the loop are sent in one write. `outbox` holds its
    deliveries, None if it does not receive.
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
        self._has_received = self._has_enquired = False
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._handlers: Mapping[int, Callable[[Pdu], None]] = {
            Command.SUBMIT_SM: self._submitted,
            Command.DELIVER_SM_RESP: self._answered,
            Command.DATA_SM_RESP: self._answered,
            Command.ENQUIRE_LINK: self.answer,
            Command.UNBIND: self._unbind,
            Command.UNBIND_RESP: lambda _: self._transport.close(),
            Command.GENERIC_NACK: self._answered,
            **dict.fromkeys(_BIND_COMMANDS, self._bind),
        }

    # Called by the service center and the outbox.

    def answer(self, request: Pdu, status: int = CommandStatus.ESME_ROK, body: bytes = b"") -> None:
        """Answer a request."""
        self._write(respond(request, status=status, body=body))

    def hang_up(self) -> None:
        """Close the connection without unbind."""
        self._unwritten.clear()
        self._transport.abort()

    def unbind(self) -> None:
        """Send unbind."""
        self._write(encode(Command.UNBIND, sequence=self._next()))

    @property
    def free_window(self) -> int:
        """How many more deliveries may be unanswered."""
        return 0 if self._paused else self._center.settings.smpp_window - len(self._unanswered)

    def deliver(self, delivery: Delivery) -> None:
        """Send it; without a response in time it goes back to the outbox."""
        sequence = self._next()
        self._unanswered[sequence] = (self._loop.time(), delivery)
        self._write(encode(delivery.command, sequence=sequence, body=delivery.body))
        if len(self._unanswered) == 1:
            self._later(self._center.settings.smpp_repeat_s, self._repeat)

    def forget(self) -> None:
        """Expect no more responses to deliveries."""
        self._unanswered.clear()

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        """Handle every complete PDU; close the connection at a length that no PDU has."""
        self._has_received = True
        try:
            for pdu in self._splitter.feed(data):
                self._handle(pdu)
        except BadPdu:
            self._center.count_invalid()
            self._nack(0, CommandStatus.ESME_RINVCMDLEN)
            self._flush()
            self._transport.close()

    def pause_writing(self) -> None:
        """Stop deliveries: the ESME does not read."""
        self._paused = True

    def resume_writing(self) -> None:
        """Continue with deliveries."""
        self._paused = False
        if self.outbox is not None:
            self.outbox.pump()

    def connection_lost(self, error: Exception | None) -> None:
        """End the connection; unanswered deliveries are sent again, over another bind."""
        for timer in self._timers.values():
            timer.cancel()
        self._unwritten.clear()
        self._center.disconnected(self)
        if self.outbox is not None:
            self.outbox.close(self)
            unanswered, self._unanswered = self._unanswered, {}
            self.outbox.retry([delivery for _, delivery in unanswered.values()])

    # Handling of PDUs.

    def _handle(self, pdu: Pdu) -> None:
        if self._transport.is_closing():
            return
        handler = self._handlers.get(pdu.command)
        if handler is not None:
            handler(pdu)
        elif pdu.command < RESPONSE_BIT:
            self._nack(pdu.sequence, CommandStatus.ESME_RINVCMDID)

    def _bind(self, pdu: Pdu) -> None:
        try:
            bind = Bind.decode(pdu.body)
        except BadPdu:
            self.answer(pdu, CommandStatus.ESME_RBINDFAIL)
            return
        status = CommandStatus.ESME_RALYBND if self.command else self._center.authorize(self, bind)
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

    # Timers.

    def _repeat(self) -> None:
        """Return deliveries without a response in time to the outbox."""
        patience = self._center.settings.smpp_repeat_s
        overdue = []
        for sequence, (at, delivery) in list(self._unanswered.items()):
            if (left := at + patience - self._loop.time()) > 0:
                self._later(left, self._repeat)
                break
            del self._unanswered[sequence]
            overdue.append(delivery)
        if self.outbox is not None and overdue:
            self.outbox.retry(overdue)

    def _enquire(self) -> None:
        """Send enquire_link to a silent ESME; hang up if it does not respond to that."""
        if self._has_received:
            self._has_enquired = False
        elif self._has_enquired:
            self.hang_up()
            return
        else:
            self._has_enquired = True
            self._write(encode(Command.ENQUIRE_LINK, sequence=self._next()))
        self._has_received = False
        self._enquire_later()

    def _enquire_later(self) -> None:
        if pause := self._center.settings.smpp_enquire_s:
            self._later(pause, self._enquire)

    def _later(self, delay: float, action: Callable[[], None]) -> None:
        """Set the timer of an action, in place of an earlier one."""
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
