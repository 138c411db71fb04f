"""What waits to be delivered to one ESME, until it says that it has it."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from dispatcher.sandbox.receipts import ReceiptCounts
from dispatcher.smpp.constants import CommandStatus

_FIRST_PAUSE: Final = 0.1
_MAX_PAUSE: Final = 3.0
_MAX_AGE: Final = 1800.0
_MAX_WAITING: Final = 500_000
_PERMANENT_REFUSALS: Final = frozenset({CommandStatus.ESME_RX_P_APPN, CommandStatus.ESME_RX_R_APPN})


@dataclass(slots=True)
class Delivery:
    """The body of one deliver_sm; `done` is called when the ESME has it."""

    body: bytes
    born: float
    done: Callable[[], None]


class Receiver(Protocol):
    """A bind over which the ESME can be told something."""

    @property
    def room(self) -> int:
        """How many deliveries more may be out."""

    def deliver(self, delivery: Delivery) -> None:
        """Send it; its answer, or that there is none, goes to the outbox."""

    def forget(self) -> None:
        """Expect no answers any more."""


class Outbox:
    """
    Deliveries in order, over whichever bind has room.

    What a bind does not answer, or leaves behind, goes again over any. An ESME
    that says "later" is left alone for a pause that grows; what it says never
    to want is dropped and counted.
    """

    def __init__(self, counts: Callable[[], ReceiptCounts]) -> None:
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Delivery] = deque()
        self._receivers: list[Receiver] = []
        self._out = 0
        self._pause = 0.0
        self._wake: asyncio.TimerHandle | None = None

    @property
    def pending(self) -> int:
        """How many the ESME has not taken yet."""
        return len(self._waiting) + self._out

    @property
    def is_open(self) -> bool:
        """Whether a bind is there that receives."""
        return bool(self._receivers)

    def put(self, body: bytes, *, done: Callable[[], None]) -> None:
        """Deliver this as soon as there is room."""
        if len(self._waiting) >= _MAX_WAITING:
            self._waiting.popleft()
            self._counts().receipts_dropped += 1
        self._waiting.append(Delivery(body, self._loop.time(), done))
        self.pump()

    def open(self, receiver: Receiver) -> None:
        """Use a bind from now on."""
        self._receivers.append(receiver)
        self.pump()

    def close(self, receiver: Receiver) -> None:
        """Use it no more; what is out on it is given back by `again`."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)

    def answered(self, delivery: Delivery, status: int) -> None:
        """Note what the ESME answered."""
        self._out -= 1
        if status == CommandStatus.ESME_ROK:
            self._pause = 0.0
            delivery.done()
        elif status in _PERMANENT_REFUSALS:
            self._counts().receipts_refused += 1
        else:
            self._return([delivery])
            self._rest()

    def again(self, deliveries: Iterable[Delivery]) -> None:
        """Send what was not answered once more."""
        unanswered = list(deliveries)
        self._out -= len(unanswered)
        self._return(unanswered)
        self.pump()

    def pump(self) -> None:
        """Send what waits while there is room."""
        waiting, oldest = self._waiting, self._loop.time() - _MAX_AGE
        while waiting and self._receivers and self._wake is None:
            receivers = self._receivers
            receiver = receivers[0] if len(receivers) == 1 else max(receivers, key=_free_window)
            if receiver.room <= 0:
                return
            delivery = waiting.popleft()
            if delivery.born < oldest:
                self._counts().receipts_dropped += 1
            else:
                self._out += 1
                receiver.deliver(delivery)

    def clear(self) -> None:
        """Forget what waits and what is out."""
        self._waiting.clear()
        self._out = 0
        for receiver in self._receivers:
            receiver.forget()
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        self._pause = 0.0

    def _return(self, deliveries: list[Delivery]) -> None:
        self._counts().receipts_retried += len(deliveries)
        self._waiting.extendleft(reversed(deliveries))

    def _rest(self) -> None:
        if self._wake is None:
            self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _MAX_PAUSE)
            self._wake = self._loop.call_later(self._pause, self._awake)

    def _awake(self) -> None:
        self._wake = None
        self.pump()


def _free_window(receiver: Receiver) -> int:
    return receiver.room
