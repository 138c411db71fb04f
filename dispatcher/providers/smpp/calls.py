"""
Messages on their way to one SMSC, and the queue before the windows of the binds.

    SubmitCall       one `send`: a gate, and an outcome for each message
      PendingSubmit  one message: a body for each part, all written together
    SubmitQueue      messages that wait for space in a window, in order
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from dispatcher.providers.contract import Gate, Outcome, Unknown, Unsent
from dispatcher.providers.smpp.outcomes import outcome_of_parts

GATE_CLOSED = Unsent("the gate was closed")


class BoundSession(Protocol):
    """A bind that can send submits."""

    @property
    def free_window(self) -> int:
        """How many more parts may be unanswered; enough for any message if none is unanswered."""

    def put(self, submit: "PendingSubmit") -> None:
        """Write all its parts with the next flush; `answer` is called once for each."""

    def flush(self) -> None:
        """Write all parts that were put."""

    def forget(self, submit: "PendingSubmit") -> None:
        """Expect no more responses to it."""


class SubmitCall:
    """One `send`; `done` is set when each of its messages has an outcome."""

    __slots__ = ("done", "gate", "open_count", "outcomes", "submits")

    def __init__(self, gate: Gate, bodies: Sequence[tuple[bytes, ...] | Outcome]) -> None:
        self.gate = gate
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.outcomes: list[Outcome | None] = [None if isinstance(body, tuple) else body for body in bodies]
        self.submits = [
            PendingSubmit(self, n, body) for n, body in enumerate(bodies) if isinstance(body, tuple)
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
        """Set this outcome for all messages that are not written."""
        for submit in self.submits:
            if submit.bind is None and self.outcomes[submit.index] is None:
                self.settle(submit.index, outcome)

    def finish(self, unwritten: Unsent, unanswered: Unknown) -> list[Outcome]:
        """End the call, and return all outcomes: for open messages, one of these two."""
        if self.open_count:
            self.fail_unwritten(unwritten)
            for submit in self.submits:
                if submit.bind is not None and self.outcomes[submit.index] is None:
                    submit.bind.forget(submit)
                    submit.give_up(unanswered)
        return [outcome for outcome in self.outcomes if outcome is not None]


class PendingSubmit:
    """One message of a call. `bind` is the bind it was written to, `sequences` the numbers of its parts."""

    __slots__ = ("bind", "bodies", "call", "index", "open_count", "part_outcomes", "sequences")

    def __init__(self, call: SubmitCall, index: int, bodies: tuple[bytes, ...]) -> None:
        self.call = call
        self.index = index
        self.bodies = bodies
        self.bind: BoundSession | None = None
        self.sequences: tuple[int, ...] = ()
        self.part_outcomes: list[Outcome | None] = [None] * len(bodies)
        self.open_count = len(bodies)

    def answer(self, part: int, outcome: Outcome) -> None:
        """Set the outcome of one part; called once for each."""
        self.part_outcomes[part] = outcome
        self.open_count -= 1
        if not self.open_count:
            self.call.settle(
                self.index,
                outcome_of_parts([outcome for outcome in self.part_outcomes if outcome is not None]),
            )

    def give_up(self, outcome: Unknown) -> None:
        """Set this outcome for each part without a response."""
        for part, known in enumerate(self.part_outcomes):
            if known is None:
                self.answer(part, outcome)


class SubmitQueue:
    """
    Messages that wait for space in a window, and the binds that have one.

    `pump` asks the gate in the same step of the loop that writes. Messages wait
    for the first bind. Once a bind has failed, they end as Unsent with its
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
        """Write waiting messages in order while they fit; each call asks its gate right before its first."""
        waiting, asked = self._waiting, None
        used: set[BoundSession] = set()
        while waiting and self._binds:
            submit = waiting[0]
            call = submit.call
            if call.outcomes[submit.index] is not None:
                waiting.popleft()  # ended in the meantime
                continue
            bind = max(self._binds, key=_free_window) if len(self._binds) > 1 else self._binds[0]
            if bind.free_window < len(submit.bodies):
                break
            if call is not asked:
                if not call.gate():
                    call.fail_unwritten(GATE_CLOSED)
                    continue
                asked = call
            waiting.popleft()
            submit.bind = bind
            bind.put(submit)
            used.add(bind)
        for bind in used:
            bind.flush()


def _free_window(bind: BoundSession) -> int:
    return bind.free_window
