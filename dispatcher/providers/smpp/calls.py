"""
Messages on their way to one SMSC, and the queue before the windows of the binds.

    SubmitCall       one `send`: a gate, and an outcome for each message
      PendingSubmit  one message: the parts to be written, each as the window has space
    SubmitQueue      messages with parts that wait for space in a window, in order
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from dispatcher.providers.contract import Gate, Outcome, Rejected, Unknown, Unsent, outcome_of_parts

GATE_CLOSED = Unsent("the gate was closed")
_REFUSED = Unsent("another part was refused")


class SubmitParts(NamedTuple):
    """The parts of a message that are to be sent: numbers and submit_sm bodies; `total` counts all parts."""

    total: int
    numbers: Sequence[int]
    bodies: Sequence[bytes]


class BoundSession(Protocol):
    """A bind that can send submits."""

    @property
    def free_window(self) -> int:
        """How many more parts may be unanswered."""

    def put(self, submit: "PendingSubmit", part: int) -> int:
        """Write this part with the next flush, and return its sequence number; `answer` is called once."""

    def flush(self) -> None:
        """Write all parts that were put."""

    def forget(self, sequence: int) -> None:
        """Expect no response to a part any more."""


class SubmitCall:
    """One `send`; `done` is set when each of its messages has an outcome."""

    __slots__ = ("done", "gate", "open_count", "outcomes", "submits")

    def __init__(self, gate: Gate, messages: Sequence[SubmitParts | Outcome]) -> None:
        self.gate = gate
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.outcomes: list[Outcome | None] = [
            None if isinstance(parts, SubmitParts) else parts for parts in messages
        ]
        self.submits = [
            PendingSubmit(self, n, parts)
            for n, parts in enumerate(messages)
            if isinstance(parts, SubmitParts)
        ]
        self.open_count = len(self.submits)
        if not self.open_count:
            self.done.set_result(None)

    def settle(self, index: int, outcome: Outcome) -> None:
        """Set the outcome of one message; called once for each."""
        self.outcomes[index] = outcome
        self.open_count -= 1
        if not self.open_count and not self.done.done():
            self.done.set_result(None)

    def fail_unwritten(self, outcome: Unsent) -> None:
        """Write no more: this is the outcome of all parts that are not written."""
        for submit in self.submits:
            submit.fail_unwritten(outcome)

    def finish(self, unwritten: Unsent, unanswered: Unknown) -> list[Outcome]:
        """End the call, and return all outcomes: for open parts, one of these two."""
        if self.open_count:
            for submit in self.submits:
                submit.fail_unwritten(unwritten)
                submit.give_up(unanswered)
        return [outcome for outcome in self.outcomes if outcome is not None]


class PendingSubmit:
    """
    One message of a call.

    `written` has the bind and the sequence number of each part that was
    written; the part after them is the next one.
    """

    __slots__ = ("call", "index", "open_count", "part_outcomes", "parts", "written")

    def __init__(self, call: SubmitCall, index: int, parts: SubmitParts) -> None:
        self.call = call
        self.index = index
        self.parts = parts
        self.written: list[tuple[BoundSession, int]] = []
        self.part_outcomes: list[Outcome | None] = [None] * len(parts.bodies)
        self.open_count = len(parts.bodies)

    @property
    def has_unwritten(self) -> bool:
        """Whether a part is still to be written."""
        return len(self.written) < len(self.part_outcomes) and self.part_outcomes[-1] is None

    def write_next(self, bind: BoundSession) -> None:
        """Put the next part."""
        self.written.append((bind, bind.put(self, len(self.written))))

    def answer(self, part: int, outcome: Outcome) -> None:
        """Set the outcome of one part; called once for each. After a refusal no other part is written."""
        self.part_outcomes[part] = outcome
        self.open_count -= 1
        if isinstance(outcome, Rejected):
            self._stop(_REFUSED)
        self._settle_when_complete()

    def fail_unwritten(self, outcome: Unsent) -> None:
        """Set this outcome for each part that is not written."""
        if self.has_unwritten:
            self._stop(outcome)
            self._settle_when_complete()

    def give_up(self, outcome: Unknown) -> None:
        """Set this outcome for each part without a response, and ignore a late response."""
        for part, (bind, sequence) in enumerate(self.written):
            if self.part_outcomes[part] is None:
                bind.forget(sequence)
                self.answer(part, outcome)

    def _stop(self, outcome: Unsent) -> None:
        if self.has_unwritten:
            for part in range(len(self.written), len(self.part_outcomes)):
                self.part_outcomes[part] = outcome
                self.open_count -= 1

    def _settle_when_complete(self) -> None:
        if self.open_count:
            return
        if self.parts.total == 1 and (outcome := self.part_outcomes[0]) is not None:
            self.call.settle(self.index, outcome)
            return
        outcomes = zip(self.parts.numbers, self.part_outcomes, strict=True)
        parts = {number: outcome for number, outcome in outcomes if outcome is not None}
        self.call.settle(self.index, outcome_of_parts(parts, total=self.parts.total))


class SubmitQueue:
    """
    Messages that wait for space in a window, and the binds that have one.

    The parts of a message are written as there is space, before those of the
    next message. `pump` asks the gate in the same step of the loop that writes.
    Messages wait for the first bind. Once a bind has failed, they end as Unsent with its
    reason until there is a bind.
    """

    def __init__(self) -> None:
        self._waiting: deque[PendingSubmit] = deque()
        self._binds: list[BoundSession] = []
        self._reason: str | None = None
        self._closed = False

    def put(self, call: SubmitCall) -> None:
        """Queue the messages of a call, and write those that fit."""
        if self._reason is not None and not self._binds:
            call.fail_unwritten(Unsent(self._reason))
            return
        self._waiting.extend(call.submits)
        self.pump()

    def add(self, bind: BoundSession) -> None:
        """Use this bind from now on."""
        if not self._closed:
            self._reason = None
            self._binds.append(bind)
            self.pump()

    def remove(self, bind: BoundSession) -> None:
        """Stop using this bind."""
        if bind in self._binds:
            self._binds.remove(bind)

    def fail_waiting(self, reason: str) -> None:
        """Set why a bind is missing; without any bind, all waiting messages end as Unsent."""
        self._reason = reason
        if not self._binds:
            waiting, self._waiting = self._waiting, deque()
            for call in {submit.call for submit in waiting}:
                call.fail_unwritten(Unsent(reason))

    def close(self) -> None:
        """Write nothing more: waiting and later messages end as Unsent."""
        self._closed = True
        self._binds.clear()
        self.fail_waiting("the provider was closed")

    def pump(self) -> None:
        """Write waiting parts in order while they fit; each call asks its gate right before its first."""
        waiting, asked = self._waiting, None
        used: set[BoundSession] = set()
        while waiting and self._binds:
            submit = waiting[0]
            if not submit.has_unwritten:
                waiting.popleft()
                continue
            bind = max(self._binds, key=_free_window) if len(self._binds) > 1 else self._binds[0]
            if bind.free_window < 1:
                break
            call = submit.call
            if call is not asked:
                if not call.gate():
                    call.fail_unwritten(GATE_CLOSED)
                    continue
                asked = call
            submit.write_next(bind)
            used.add(bind)
        for bind in used:
            bind.flush()


def _free_window(bind: BoundSession) -> int:
    return bind.free_window
