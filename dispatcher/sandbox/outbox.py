"""Deliveries to one ESME, kept until it accepts them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from dispatcher.sandbox.receipts import ReceiptCounts
from dispatcher.smpp.constants import Command, CommandStatus

_FIRST_PAUSE: Final = 0.1
_MAX_PAUSE: Final = 3.0
_MAX_AGE: Final = 1800.0
_MAX_WAITING: Final = 500_000
_PERMANENT_REFUSALS: Final = frozenset({CommandStatus.ESME_RX_P_APPN, CommandStatus.ESME_RX_R_APPN})


@dataclass(slots=True)
class Delivery:
    """The body of one deliver_sm or data_sm; `done` is called when the ESME accepts it."""

    body: bytes
    created_at: float
    done: Callable[[], None]
    command: Command = Command.DELIVER_SM


class Receiver(Protocol):
    """A bind that receives deliveries."""

    @property
    def free_window(self) -> int:
        """How many more deliveries may be unanswered."""

    def deliver(self, delivery: Delivery) -> None:
        """Send it; the outbox is notified of the response, or that there is none."""

    def forget(self) -> None:
        """Expect no more responses."""


class Outbox:
    """
    Deliveries in order, over any bind with space in its window.

    A delivery that gets no response, or whose bind ends, is sent again over any
    bind. After a temporary refusal, the outbox waits for a growing pause. After
    a permanent one, the delivery is dropped and counted.
    """

    def __init__(self, counts: Callable[[], ReceiptCounts]) -> None:
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Delivery] = deque()
        self._receivers: list[Receiver] = []
        self._unanswered = 0
        self._pause = 0.0
        self._wake: asyncio.TimerHandle | None = None

    @property
    def pending(self) -> int:
        """How many deliveries the ESME has not accepted yet."""
        return len(self._waiting) + self._unanswered

    @property
    def is_open(self) -> bool:
        """Whether there is a bind that receives."""
        return bool(self._receivers)

    def put(self, body: bytes, *, done: Callable[[], None], command: Command = Command.DELIVER_SM) -> None:
        """Deliver this as soon as a window has space."""
        if len(self._waiting) >= _MAX_WAITING:
            self._waiting.popleft()
            self._counts().receipts_dropped += 1
        self._waiting.append(Delivery(body, self._loop.time(), done, command))
        self.pump()

    def open(self, receiver: Receiver) -> None:
        """Use this bind from now on."""
        self._receivers.append(receiver)
        self.pump()

    def close(self, receiver: Receiver) -> None:
        """Stop using this bind; its unanswered deliveries come back by `retry`."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)

    def answered(self, delivery: Delivery, status: int) -> None:
        """Process the ESME's response to a delivery."""
        self._unanswered -= 1
        if status == CommandStatus.ESME_ROK:
            self._pause = 0.0
            delivery.done()
        elif status in _PERMANENT_REFUSALS:
            self._counts().receipts_refused += 1
        else:
            self._return([delivery])
            self._back_off()

    def retry(self, deliveries: Iterable[Delivery]) -> None:
        """Send unanswered deliveries again."""
        unanswered = list(deliveries)
        self._unanswered -= len(unanswered)
        self._return(unanswered)
        self.pump()

    def pump(self) -> None:
        """Send waiting deliveries while a window has space."""
        waiting, oldest = self._waiting, self._loop.time() - _MAX_AGE
        while waiting and self._receivers and self._wake is None:
            receivers = self._receivers
            receiver = receivers[0] if len(receivers) == 1 else max(receivers, key=_free_window)
            if receiver.free_window <= 0:
                return
            delivery = waiting.popleft()
            if delivery.created_at < oldest:
                self._counts().receipts_dropped += 1
            else:
                self._unanswered += 1
                receiver.deliver(delivery)

    def clear(self) -> None:
        """Delete all waiting and unanswered deliveries."""
        self._waiting.clear()
        self._unanswered = 0
        for receiver in self._receivers:
            receiver.forget()
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        self._pause = 0.0

    def _return(self, deliveries: list[Delivery]) -> None:
        self._counts().receipts_retried += len(deliveries)
        self._waiting.extendleft(reversed(deliveries))

    def _back_off(self) -> None:
        if self._wake is None:
            self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _MAX_PAUSE)
            self._wake = self._loop.call_later(self._pause, self._resume)

    def _resume(self) -> None:
        self._wake = None
        self.pump()


def _free_window(receiver: Receiver) -> int:
    return receiver.free_window
