"""The sandbox's SMPP face: an SMSC for ESMEs, on the network that the HTTP face is on."""

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
from dispatcher.sandbox.network import Network, SandboxMessage, SubmitDecision
from dispatcher.sandbox.numbers import DELIVERED, ReceiptStep, SubmitAnswer
from dispatcher.sandbox.outbox import Outbox
from dispatcher.sandbox.receipts import ReceiptCounts
from dispatcher.sandbox.settings import SandboxSettings
from dispatcher.sandbox.timers import Timers
from dispatcher.smpp.constants import CommandStatus
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
    """No ESME is there that receives, or not the one that is named."""


class Smsc:
    """All binds, what is to be answered, and what waits to be delivered. Make it inside the running loop."""

    def __init__(self, network: Network) -> None:
        self.counts = ReceiptCounts()
        self._network = network
        self._answers = Timers()
        self._receipts = Timers()
        self._connections: set[Connection] = set()
        self._left = asyncio.Event()
        self._left.set()
        self._outboxes: dict[str, Outbox] = {}
        self._joints = count(1)
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; give the port, which 0 leaves to the system."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, host, port, backlog=_BACKLOG)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Take leave of all; what was not delivered is lost."""
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
            await asyncio.wait_for(self._left.wait(), _UNBIND_TIMEOUT)
        for connection in list(self._connections):
            connection.hang_up()

    def reset(self) -> None:
        """Forget all waiting receipts and counts."""
        self.counts = ReceiptCounts()
        self._receipts.clear()
        for outbox in self._outboxes.values():
            outbox.clear()

    @property
    def pending(self) -> int:
        """How many deliveries are not taken yet, those included whose time has not come."""
        return len(self._receipts) + sum(outbox.pending for outbox in self._outboxes.values())

    @property
    def in_flight(self) -> int:
        """How many submits are not answered yet."""
        return len(self._answers)

    @property
    def binds(self) -> int:
        """How many binds there are."""
        return sum(connection.command is not None for connection in self._connections)

    def inbound(self, sender: str, recipient: str, text: str, *, system_id: str | None) -> int:
        """
        Deliver what a handset wrote, to this ESME or to the first that receives; give the number of parts.

        Raises NobodyBound, and ValueError where SMPP cannot say it.
        """
        open_ones = [name for name, outbox in self._outboxes.items() if outbox.is_open]
        if not open_ones or system_id not in (None, *open_ones):
            raise NoReceiverBound("no ESME that receives it is bound, and no receipt_url is set")
        parts = bodies.inbound_bodies(sender, recipient, text, reference=next(self._joints))
        for part in parts:
            self._outboxes[system_id or open_ones[0]].put(part, done=self._taken)
        return len(parts)

    # What connections do with it: see `connection.Center`.

    @property
    def settings(self) -> SandboxSettings:
        """How it behaves now."""
        return self._network.settings

    def admit(self, connection: Connection, bind: Bind) -> CommandStatus:
        """Take an ESME in, or say why not."""
        settings = self.settings
        if settings.smpp_system_id not in (None, bind.system_id):
            return CommandStatus.ESME_RINVSYSID
        wanted = settings.smpp_password
        if wanted is not None and not hmac.compare_digest(wanted.encode(), bind.password.encode()):
            return CommandStatus.ESME_RINVPASWD
        same = sum(other.system_id == bind.system_id for other in self._connections if other.command)
        if settings.smpp_most_binds and same >= settings.smpp_most_binds:
            return CommandStatus.ESME_RALYBND
        return CommandStatus.ESME_ROK

    def outbox(self, system_id: str) -> Outbox:
        """Give what waits for an ESME."""
        if system_id not in self._outboxes:
            self._outboxes[system_id] = Outbox(lambda: self.counts)
        return self._outboxes[system_id]

    def leave(self, connection: Connection) -> None:
        """Note that a connection has ended."""
        self._connections.discard(connection)
        if not self._connections:
            self._left.set()

    def garbled(self) -> None:
        """Count what is no SMPP."""
        self._network.counts.invalid += 1

    def submit(self, connection: Connection, request: Pdu) -> None:
        """Decide on a submit_sm, and answer it in its time."""
        try:
            sm = Sm.decode(request.body)
            fault = bodies.address_fault(sm)
        except BadPdu:
            fault = CommandStatus.ESME_RINVMSGLEN
        if fault is not None:
            self.garbled()
            connection.answer(request, fault)
            return
        heard = bodies.read_submit(sm, received_at=time.time())
        verdict = self._network.submit(heard.submit, now=time.monotonic())
        if verdict.script.early:
            self._report(connection.system_id, heard, verdict, delay=0)
        if verdict.delay:
            self._answers.call(verdict.delay, partial(self._answer, connection, request, verdict))
        else:
            self._answer(connection, request, verdict)
        if not verdict.script.early:
            delay = verdict.delay + self.settings.receipt_delay_ms / 1000
            self._report(connection.system_id, heard, verdict, delay=delay)

    def _connect(self) -> Connection:
        connection = Connection(self)
        self._connections.add(connection)
        self._left.clear()
        return connection

    def _answer(self, connection: Connection, request: Pdu, verdict: SubmitDecision) -> None:
        match verdict.answer:
            case SubmitAnswer.ACCEPTED:
                named = format(int(verdict.ids[0]), self.settings.smpp_ids)
                connection.answer(request, body=encode_id(named))
            case SubmitAnswer.REJECTED:
                connection.answer(request, bodies.ERRORS[verdict.script.error])
            case SubmitAnswer.HANG_UP:
                connection.hang_up()
            case SubmitAnswer.SILENCE:
                pass
            case other:
                connection.answer(request, _STATUSES[other])

    def _report(self, system_id: str, heard: ParsedSubmit, verdict: SubmitDecision, *, delay: float) -> None:
        """Schedule the receipts that were asked for, the first of them so many seconds from now."""
        if not (verdict.receipts and verdict.message):
            return
        number, total = (heard.joint.number, heard.joint.total) if heard.joint else (1, 1)
        for step in verdict.receipts:
            delay += step.wait
            if number in step.parts.of(range(1, total + 1)) and _is_wanted(heard.sm, step):
                report = partial(self._tell, system_id, heard, verdict, step.word)
                if delay:
                    self._receipts.call(delay, report)
                else:
                    report()

    def _tell(self, system_id: str, heard: ParsedSubmit, verdict: SubmitDecision, word: str) -> None:
        message_id = "" if verdict.script.anonymous else verdict.ids[0]
        body = bodies.receipt_body(heard, message_id, word, settings=self.settings, done_at=time.time())
        assert verdict.message is not None  # who has receipts has a message
        self.outbox(system_id).put(body, done=partial(self._told, verdict.message, word))

    def _told(self, message: SandboxMessage, word: str) -> None:
        message.status = word
        self.counts.receipts_sent += 1

    def _taken(self) -> None:
        self.counts.inbound_sent += 1


def _is_wanted(sm: Sm, step: ReceiptStep) -> bool:
    """Tell whether registered_delivery (5.2.17) asks for it."""
    wanted = sm.registered_delivery & _RECEIPT_BITS
    return bool(wanted) and not (wanted == _FAILURES_ONLY and step.word == DELIVERED.word)
