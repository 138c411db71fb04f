"""
What is on its way to one SMSC: calls, their messages, and the queue before the windows of the binds.

    Call     one `send`: a gate, and an outcome for each message
      Submit one message: a body for each part, all of them written together
    Queue    who waits for room in a window, the first first
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from dispatcher.providers.contract import Gate, Outcome, Unknown, Unsent
from dispatcher.providers.smpp.outcomes import outcome_of_parts

GATE_CLOSED = Unsent("the gate was closed")


class BoundSession(Protocol):
    """A bind that takes submits."""

    @property
    def room(self) -> int:
        """How many parts more may be out; a bind on which nothing is out has room for any message."""

    def put(self, submit: "PendingSubmit") -> None:
        """Write all its parts with the next flush; its `answer` is called once for each."""

    def flush(self) -> None:
        """Write what was put."""

    def forget(self, submit: "PendingSubmit") -> None:
        """Expect no answers to it any more."""


class SubmitCall:
    """One `send`; `done` is set when each of its messages has an outcome."""

    __slots__ = ("done", "gate", "left", "outcomes", "submits")

    def __init__(self, gate: Gate, bodies: Sequence[tuple[bytes, ...] | Outcome]) -> None:
        self.gate = gate
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.outcomes: list[Outcome | None] = [None if isinstance(b, tuple) else b for b in bodies]
        self.submits = [PendingSubmit(self, n, b) for n, b in enumerate(bodies) if isinstance(b, tuple)]
        self.left = len(self.submits)
        if not self.left:
            self.done.set_result(None)

    def settle(self, place: int, outcome: Outcome) -> None:
        """Note what became of one message, once."""
        self.outcomes[place] = outcome
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)

    def turn_back(self, outcome: Unsent) -> None:
        """Settle all that are not written."""
        for submit in self.submits:
            if submit.bind is None and self.outcomes[submit.place] is None:
                self.settle(submit.place, outcome)

    def end(self, unwritten: Unsent, unanswered: Unknown) -> list[Outcome]:
        """Settle all that is open, for nobody waits any longer; give all outcomes."""
        if self.left:
            self.turn_back(unwritten)
            for submit in self.submits:
                if submit.bind is not None and self.outcomes[submit.place] is None:
                    submit.bind.forget(submit)
                    submit.give_up(unanswered)
        return [outcome for outcome in self.outcomes if outcome is not None]


class PendingSubmit:
    """One message of a call. `bind` is the one it was written to; `sequences` are its parts' there."""

    __slots__ = ("answers", "bind", "bodies", "call", "left", "place", "sequences")

    def __init__(self, call: SubmitCall, place: int, bodies: tuple[bytes, ...]) -> None:
        self.call = call
        self.place = place
        self.bodies = bodies
        self.bind: BoundSession | None = None
        self.sequences: tuple[int, ...] = ()
        self.answers: list[Outcome | None] = [None] * len(bodies)
        self.left = len(bodies)

    def answer(self, part: int, outcome: Outcome) -> None:
        """Note what became of one part; each is told once."""
        self.answers[part] = outcome
        self.left -= 1
        if not self.left:
            self.call.settle(
                self.place, outcome_of_parts([answer for answer in self.answers if answer is not None])
            )

    def give_up(self, outcome: Unknown) -> None:
        """Note this of each part that is not answered."""
        for part, answer in enumerate(self.answers):
            if answer is None:
                self.answer(part, outcome)


class SubmitQueue:
    """
    Who waits for room in a window, and the binds that have one.

    The gate is asked in `pump`, in the step of the loop that writes. While a
    first bind is under way, messages wait for it; when one has failed, they go
    back with the reason until there is one.
    """

    def __init__(self) -> None:
        self._waiting: deque[PendingSubmit] = deque()
        self._binds: list[BoundSession] = []
        self._why: str | None = None
        self._closed = False

    def put(self, call: SubmitCall) -> None:
        """Let a call's messages stand in line, and go if they can."""
        if self._why is not None and not self._binds:
            call.turn_back(Unsent(self._why))
            return
        self._waiting.extend(call.submits)
        self.pump()

    def add(self, bind: BoundSession) -> None:
        """Use a bind from now on."""
        if not self._closed:
            self._why = None
            self._binds.append(bind)
            self.pump()

    def remove(self, bind: BoundSession) -> None:
        """Use it no more."""
        if bind in self._binds:
            self._binds.remove(bind)

    def turn_away(self, why: str) -> None:
        """Say why there is no bind; unless there is one, all who wait go back unsent."""
        self._why = why
        if not self._binds:
            waiting, self._waiting = self._waiting, deque()
            for call in {submit.call for submit in waiting}:
                call.turn_back(Unsent(why))

    def close(self) -> None:
        """Write nothing more; who waits, or comes yet, goes back unsent."""
        self._closed = True
        self._binds.clear()
        self.turn_away("the provider was closed")

    def pump(self) -> None:
        """Write who is first while there is room; each call that writes asks its gate right before."""
        waiting, asked = self._waiting, None
        used: set[BoundSession] = set()
        while waiting and self._binds:
            submit = waiting[0]
            call = submit.call
            if call.outcomes[submit.place] is not None:
                waiting.popleft()  # turned back meanwhile
                continue
            bind = max(self._binds, key=_free_window) if len(self._binds) > 1 else self._binds[0]
            if bind.room < len(submit.bodies):
                break
            if call is not asked:
                if not call.gate():
                    call.turn_back(GATE_CLOSED)
                    continue
                asked = call
            waiting.popleft()
            submit.bind = bind
            bind.put(submit)
            used.add(bind)
        for bind in used:
            bind.flush()


def _free_window(bind: BoundSession) -> int:
    return bind.room
