"""The sandbox's SMPP server: an SMSC for ESMEs, on the same network as the HTTP API."""

import asyncio
import hmac
import time
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Final

from dispatcher.sandbox import bodies
from dispatcher.sandbox.bodies import ParsedSubmit
from dispatcher.sandbox.connection import Connection
from dispatcher.sandbox.handset import HandsetMessage
from dispatcher.sandbox.network import Network, SandboxMessage, SubmitDecision
from dispatcher.sandbox.numbers import DELIVERED, ReceiptStep, SubmitAnswer
from dispatcher.sandbox.outbox import Outbox
from dispatcher.sandbox.pacing import SubmitPacing
from dispatcher.sandbox.receipts import ReceiptCounts
from dispatcher.sandbox.settings import SandboxSettings
from dispatcher.sandbox.timers import Timers
from dispatcher.smpp.constants import Command, CommandStatus
from dispatcher.smpp.pdu import BadPdu, Bind, Pdu, Sm, encode_id

_BACKLOG: Final = 1024
_UNBIND_TIMEOUT: Final = 0.5
_RECEIPT_BITS: Final = 0x03
_FAILURES_ONLY: Final = 0x02
_STATUSES: Final = {
    SubmitAnswer.LATER: CommandStatus.ESME_RMSGQFUL,
    SubmitAnswer.THROTTLED: CommandStatus.ESME_RTHROTTLED,
    SubmitAnswer.FAILED: CommandStatus.ESME_RUNKNOWNERR,
}


class NoReceiverBound(Exception):
    """No ESME is bound to receive, or not the named one."""


class Smsc:
    """All binds, pending responses and pending deliveries. Create it inside the running loop."""

    def __init__(self, network: Network) -> None:
        self.counts = ReceiptCounts()
        self._network = network
        self._pacing = SubmitPacing()
        self._answers = Timers()
        self._receipts = Timers()
        self._connections: set[Connection] = set()
        self._all_closed = asyncio.Event()
        self._all_closed.set()
        self._outboxes: dict[str, Outbox] = {}
        self._references = count(1)
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen, and return the port; 0 takes a free one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, host, port, backlog=_BACKLOG)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Unbind all ESMEs; undelivered receipts are lost."""
        self.reset()
        self._answers.clear()
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            if connection.command is None:
                connection.hang_up()
            else:
                connection.unbind()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_closed.wait(), _UNBIND_TIMEOUT)
        for connection in list(self._connections):
            connection.hang_up()

    def reset(self) -> None:
        """Delete all pending receipts and counts."""
        self.counts = ReceiptCounts()
        self._pacing.reset()
        self._receipts.clear()
        for outbox in self._outboxes.values():
            outbox.clear()

    @property
    def pending(self) -> int:
        """How many deliveries are not accepted yet, including scheduled ones."""
        return len(self._receipts) + sum(outbox.pending for outbox in self._outboxes.values())

    @property
    def in_flight(self) -> int:
        """How many submits are not answered yet."""
        return len(self._answers)

    @property
    def binds(self) -> int:
        """How many binds there are."""
        return sum(connection.command is not None for connection in self._connections)

    def inbound(self, message: HandsetMessage) -> int:
        """
        Deliver a handset's message to its ESME, else to the first one, and return the number of deliveries.

        Raises NoReceiverBound, and ValueError if SMPP cannot carry the message.
        """
        receiving = [name for name, outbox in self._outboxes.items() if outbox.is_open]
        if not receiving or message.system_id not in (None, *receiving):
            raise NoReceiverBound("no ESME is bound to receive it, and no receipt_url is set")
        parts = message.bodies(reference=next(self._references))
        for part in parts:
            self._outboxes[message.system_id or receiving[0]].put(part, done=self._count_inbound)
        return len(parts)

    # Called by connections: see `connection.ServiceCenter`.

    @property
    def settings(self) -> SandboxSettings:
        """The current settings."""
        return self._network.settings

    def authorize(self, connection: Connection, bind: Bind) -> CommandStatus:
        """Return ESME_ROK if the ESME may bind, else the reason."""
        settings = self.settings
        if settings.smpp_system_id not in (None, bind.system_id):
            return CommandStatus.ESME_RINVSYSID
        password = settings.smpp_password
        if password is not None and not hmac.compare_digest(password.encode(), bind.password.encode()):
            return CommandStatus.ESME_RINVPASWD
        same = sum(other.system_id == bind.system_id for other in self._connections if other.command)
        if settings.smpp_most_binds and same >= settings.smpp_most_binds:
            return CommandStatus.ESME_RALYBND
        return CommandStatus.ESME_ROK

    def outbox(self, system_id: str) -> Outbox:
        """Return the deliveries that wait for an ESME."""
        if system_id not in self._outboxes:
            self._outboxes[system_id] = Outbox(lambda: self.counts)
        return self._outboxes[system_id]

    def disconnected(self, connection: Connection) -> None:
        """Remove a connection that has ended."""
        self._connections.discard(connection)
        self._pacing.forget(connection)
        if not self._connections:
            self._all_closed.set()

    def count_invalid(self) -> None:
        """Count data that is not SMPP."""
        self._network.counts.invalid += 1

    def submit(self, connection: Connection, request: Pdu) -> None:
        """Decide on a submit_sm, and answer it after its latency."""
        try:
            sm = Sm.decode(request.body)
            fault = CommandStatus.ESME_RINVMSGLEN if sm.unread else bodies.address_fault(sm)
        except BadPdu:
            fault = CommandStatus.ESME_RINVMSGLEN
        if fault is not None:
            self.count_invalid()
            connection.answer(request, fault)
            return
        if self._pacing.is_throttled(connection, self.settings):
            self._network.count_throttled(received_at=time.time())
            connection.answer(request, CommandStatus.ESME_RTHROTTLED)
            return
        parsed = bodies.read_submit(sm, received_at=time.time())
        decision = self._network.submit(parsed.submit, now=time.monotonic())
        if decision.script.early:
            self._report(connection.system_id, parsed, decision, delay=0)
        if decision.delay:
            self._pacing.begin(connection)
            self._answers.call(decision.delay, partial(self._answer_late, connection, request, decision))
        else:
            self._answer(connection, request, decision)
        if not decision.script.early:
            delay = decision.delay + self.settings.receipt_delay_ms / 1000
            self._report(connection.system_id, parsed, decision, delay=delay)

    def _connect(self) -> Connection:
        connection = Connection(self)
        self._connections.add(connection)
        self._all_closed.clear()
        return connection

    def _answer_late(self, connection: Connection, request: Pdu, decision: SubmitDecision) -> None:
        self._pacing.end(connection)
        self._answer(connection, request, decision)

    def _answer(self, connection: Connection, request: Pdu, decision: SubmitDecision) -> None:
        match decision.answer:
            case SubmitAnswer.ACCEPTED:
                message_id = bodies.response_id(decision.ids[0], self.settings)
                connection.answer(request, body=encode_id(message_id))
            case SubmitAnswer.REJECTED:
                connection.answer(request, bodies.ERRORS[decision.script.error])
            case SubmitAnswer.HANG_UP:
                connection.hang_up()
            case SubmitAnswer.SILENCE:
                pass
            case other:
                connection.answer(request, _STATUSES[other])

    def _report(
        self, system_id: str, parsed: ParsedSubmit, decision: SubmitDecision, *, delay: float
    ) -> None:
        """Schedule the requested receipts, the first one `delay` seconds from now."""
        if not (decision.receipts and decision.message):
            return
        number, total = (parsed.part_info.number, parsed.part_info.total) if parsed.part_info else (1, 1)
        for step in decision.receipts:
            delay += step.wait
            if number in step.parts.of(range(1, total + 1)) and _is_wanted(parsed.sm, step):
                report = partial(self._send_receipt, system_id, parsed, decision, step.word)
                if delay:
                    self._receipts.call(delay, report)
                else:
                    report()

    def _send_receipt(
        self, system_id: str, parsed: ParsedSubmit, decision: SubmitDecision, word: str
    ) -> None:
        message_id = "" if decision.script.anonymous else decision.ids[0]
        body = bodies.receipt_body(parsed, message_id, word, settings=self.settings, done_at=time.time())
        assert decision.message is not None  # a decision with receipts has a message
        is_data = self.settings.smpp_receipt_command == "data_sm"
        command = Command.DATA_SM if is_data else Command.DELIVER_SM
        done = partial(self._count_receipt, decision.message, word)
        self.outbox(system_id).put(body, done=done, command=command)

    def _count_receipt(self, message: SandboxMessage, word: str) -> None:
        message.status = word
        self.counts.receipts_sent += 1

    def _count_inbound(self) -> None:
        self.counts.inbound_sent += 1


def _is_wanted(sm: Sm, step: ReceiptStep) -> bool:
    """Whether registered_delivery (5.2.17) requests this receipt."""
    requested = sm.registered_delivery & _RECEIPT_BITS
    return bool(requested) and not (requested == _FAILURES_ONLY and step.word == DELIVERED.word)
