"""A call to a provider with messages that are claimed; to the next if it surely did not go out."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from dispatcher.deadlines import Deadlines
from dispatcher.domain.message import Due, Try
from dispatcher.domain.provider import Deferred, Gate, Outcome, Outgoing, Unknown, Unsent
from dispatcher.service import admit
from dispatcher.service.chunk import Ticket
from dispatcher.service.context import Context
from dispatcher.service.recorder import Recorder
from dispatcher.service.slots import Slots

log = structlog.get_logger()

_SLOT_WAIT = 1.0

Claims = Sequence[tuple[Ticket, int]]
"""Tickets that were claimed together, each with the number of its attempt."""


class Calls:
    """Makes the calls of one process. No transaction is open meanwhile."""

    def __init__(self, ctx: Context, slots: Mapping[str, Slots], recorder: Recorder) -> None:
        self._ctx = ctx
        self._slots = slots
        self._recorder = recorder
        self._deadlines = {
            name: Deadlines(2 * way.config.call_timeout.total_seconds()) for name, way in ctx.ways.items()
        }

    async def send(self, name: str, claims: Claims, lease_end: datetime) -> None:
        """
        Send, within the lease, what was claimed; what came of it goes to the recorder.

        The caller has taken a slot. It is given back before another provider is tried.
        """
        outcomes = await self._call(name, claims, lease_end)
        elsewhere = []
        for (ticket, attempt), outcome in zip(claims, outcomes, strict=True):
            if isinstance(outcome, Unsent | Deferred) and len(ticket.providers) > 1:
                elsewhere.append(self._fail_over(ticket, attempt, outcome, lease_end))
            else:
                self._record(ticket.due, attempt, name, outcome)
        if elsewhere:
            await asyncio.gather(*elsewhere)

    async def _fail_over(self, ticket: Ticket, attempt: int, outcome: Outcome, lease_end: datetime) -> None:
        """Call the route's other providers in turn, as long as the call before surely did not go out."""
        due, (used, *others) = ticket.due, ticket.providers
        for name in others:
            if not isinstance(outcome, Unsent | Deferred):
                break
            if await self._has_room(name, due):
                used, [outcome] = name, await self._call(name, [(ticket, attempt)], lease_end)
        self._record(due, attempt, used, outcome)

    async def _has_room(self, name: str, due: Due) -> bool:
        """Take a token and a slot, as whoever comes to this provider first."""
        if admit.condition(self._ctx, name).is_barred or self._slots[name].is_stuck:
            return False
        [token] = await admit.tokens(self._ctx, name, [due])
        if not token.taken:
            return False
        await asyncio.sleep(token.wait.total_seconds())
        return await self._slots[name].wait(_SLOT_WAIT)

    async def _call(self, name: str, claims: Claims, lease_end: datetime) -> Sequence[Outcome]:
        """Make one call and give its slot back; each message's outcome in order."""
        try:
            return await self._called(name, claims, lease_end)
        finally:
            self._slots[name].release()

    async def _called(self, name: str, claims: Claims, lease_end: datetime) -> Sequence[Outcome]:
        """Make the call unless it may not be made. A gate that closes, closes for all of its messages."""
        way = self._ctx.ways[name]
        gate = self._gate([ticket.due for ticket, _ in claims], lease_end - way.config.call_timeout)
        if not gate():
            text = "its window, its allowed hours or its lease was over before the call"
            return [Unsent(text)] * len(claims)
        condition = admit.condition(self._ctx, name)
        if condition.is_barred:
            return [Unsent(f"{name} is {condition}")] * len(claims)
        began = time.monotonic()
        outcomes = await self._answers(name, [t.due.outgoing(attempt) for t, attempt in claims], gate)
        seconds = time.monotonic() - began
        self._tell(name, claims, outcomes, gate, seconds=seconds)
        return outcomes

    async def _answers(self, name: str, outgoing: Sequence[Outgoing], gate: Gate) -> Sequence[Outcome]:
        """Call, and make an outcome for each message of whatever comes of it."""
        way = self._ctx.ways[name]
        try:
            with self._deadlines[name].within():
                outcomes = await way.provider.send(outgoing, gate)
        except TimeoutError:
            return [Unknown(f"{name} did not end the call in time")] * len(outgoing)
        except Exception as error:  # a plug-in's bug must not lose the claim: nobody knows what went out
            log.exception("provider_crashed", provider=name, references=[o.reference for o in outgoing])
            return [Unknown(f"{name} crashed: {type(error).__name__}")] * len(outgoing)
        if len(outcomes) != len(outgoing):
            log.error("provider_miscounted", provider=name, messages=len(outgoing), outcomes=len(outcomes))
            text = f"{name} gave {len(outcomes)} outcomes for {len(outgoing)} messages"
            return [Unknown(text)] * len(outgoing)
        return outcomes

    def _tell(
        self, name: str, claims: Claims, outcomes: Sequence[Outcome], gate: Gate, *, seconds: float
    ) -> None:
        """Note for slots and breaker how it went; what the gate kept back is no provider's fault."""
        first = outcomes[0]
        if isinstance(first, Unsent) and not gate():
            return
        if not isinstance(first, Unsent | Unknown):  # who did not answer has shown no latency
            self._slots[name].note(seconds)
        segments = sum([ticket.due.segments for ticket, _ in claims])
        self._ctx.watch.tallies[name].note(outcomes, seconds=seconds, segments=segments)

    def _gate(self, due: Sequence[Due], latest_start: datetime) -> Gate:
        """Tell, whenever asked, if a call begun now is inside windows and hours and ends within the lease."""
        first = max([message.window.not_before for message in due])
        last = min(latest_start, *[message.ends_at for message in due])
        time = self._ctx.time

        def gate() -> bool:
            now, unsure = time.now(), time.uncertainty
            return first <= now - unsure and now + unsure < last

        return gate

    def _record(self, due: Due, attempt: int, provider: str, outcome: Outcome) -> None:
        self._recorder.put(
            Try(
                message_id=due.id,
                attempt=attempt,
                tier=due.tier,
                not_after=due.window.not_after,
                deferrals=due.deferrals,
                doubts=due.doubts,
                provider=provider,
                outcome=outcome,
            )
        )
