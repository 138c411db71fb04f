"""Calls to providers with claimed messages, and to the next provider if one was certainly not sent."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from dispatcher.deadlines import Deadlines
from dispatcher.domain.delivery.message import Attempt, DueMessage
from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Gate,
    Outcome,
    Outgoing,
    Unknown,
    Unsent,
    rest_of,
)
from dispatcher.service.context import Context
from dispatcher.service.delivery import availability
from dispatcher.service.delivery.concurrency import ConcurrencyLimit
from dispatcher.service.delivery.recorder import Recorder

log = structlog.get_logger()

_SLOT_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message that this worker may send, with its providers in order and the number of this attempt."""

    message: DueMessage
    providers: tuple[str, ...]
    attempt: int


class ProviderCalls:
    """Makes the provider calls of one process. No transaction is open during a call."""

    def __init__(self, ctx: Context, limits: Mapping[str, ConcurrencyLimit], recorder: Recorder) -> None:
        self._ctx = ctx
        self._limits = limits
        self._recorder = recorder
        self._deadlines = {
            name: Deadlines(2 * configured.config.call_timeout.total_seconds())
            for name, configured in ctx.providers.items()
        }

    async def send(self, name: str, claimed: Sequence[ClaimedMessage], lease_end: datetime) -> None:
        """
        Send claimed messages in one call, and pass their outcomes to the recorder.

        The caller has taken a slot of this provider; it is released before
        another provider is called.
        """
        outcomes = await self._call(name, claimed, lease_end)
        elsewhere = []
        for one, outcome in zip(claimed, outcomes, strict=True):
            if isinstance(outcome, Unsent | Deferred) and len(one.providers) > 1:
                elsewhere.append(self._fail_over(one, outcome, lease_end))
            else:
                self._record(one, name, outcome)
        if elsewhere:
            await asyncio.gather(*elsewhere)

    async def _fail_over(self, one: ClaimedMessage, outcome: Outcome, lease_end: datetime) -> None:
        """Call the other providers of the route in order, while the message was certainly not sent."""
        used, *others = one.providers
        for name in others:
            if not isinstance(outcome, Unsent | Deferred):
                break
            if await self._take_token_and_slot(name, one.message):
                used, [outcome] = name, await self._call(name, [one], lease_end)
        self._record(one, used, outcome)

    async def _take_token_and_slot(self, name: str, message: DueMessage) -> bool:
        """Take a token and a slot of this provider; return False if one of them is not available."""
        if availability.state_of(self._ctx, name).is_barred or self._limits[name].is_stuck:
            return False
        [token] = await availability.take_tokens(self._ctx, name, [message])
        if not token.taken:
            return False
        await asyncio.sleep(token.wait.total_seconds())
        return await self._limits[name].acquire(within=_SLOT_WAIT)

    async def _call(
        self, name: str, claimed: Sequence[ClaimedMessage], lease_end: datetime
    ) -> Sequence[Outcome]:
        """Make one call and release its slot. Return each message's outcome, in order."""
        try:
            return await self._gated_call(name, claimed, lease_end)
        finally:
            self._limits[name].release()

    async def _gated_call(
        self, name: str, claimed: Sequence[ClaimedMessage], lease_end: datetime
    ) -> Sequence[Outcome]:
        """Make the call if the gate allows it. The gate is one for all messages of the call."""
        configured = self._ctx.providers[name]
        gate = self._gate([one.message for one in claimed], lease_end - configured.config.call_timeout)
        if not gate():
            text = "its window, its allowed hours or its lease was over before the call"
            return [Unsent(text)] * len(claimed)
        state = availability.state_of(self._ctx, name)
        if state.is_barred:
            return [Unsent(f"{name} is {self._ctx.provider_health.describe(name, state)}")] * len(claimed)
        began = time.monotonic()
        outcomes = await self._outcomes(name, [one.message.outgoing(one.attempt) for one in claimed], gate)
        self._note(name, claimed, outcomes, gate, seconds=time.monotonic() - began)
        return outcomes

    async def _outcomes(self, name: str, outgoing: Sequence[Outgoing], gate: Gate) -> Sequence[Outcome]:
        """Make the call. Return an outcome for each message, even if the provider raises."""
        configured = self._ctx.providers[name]
        try:
            with self._deadlines[name].deadline():
                outcomes = await configured.provider.send(outgoing, gate)
        except TimeoutError:
            return [Unknown(f"{name} did not end the call in time")] * len(outgoing)
        except Exception as error:  # a bug of a plug-in must not lose the claim: messages may have been sent
            log.exception("provider_crashed", provider=name, references=[o.reference for o in outgoing])
            self._ctx.background.failures.note(f"plug-in of {name}", error)
            return [Unknown(f"{name} crashed: {type(error).__name__}")] * len(outgoing)
        if len(outcomes) != len(outgoing):
            log.error("provider_miscounted", provider=name, messages=len(outgoing), outcomes=len(outcomes))
            text = f"{name} returned {len(outcomes)} outcomes for {len(outgoing)} messages"
            return [Unknown(text)] * len(outgoing)
        return outcomes

    def _note(
        self,
        name: str,
        claimed: Sequence[ClaimedMessage],
        outcomes: Sequence[Outcome],
        gate: Gate,
        *,
        seconds: float,
    ) -> None:
        """Count the call for the concurrency limit and the breaker, unless the gate prevented it."""
        first = outcomes[0]
        if isinstance(first, Unsent) and not gate():
            return
        segments = sum([one.message.segments_left for one in claimed])
        if not isinstance(rest_of(first), Unsent | Unknown):  # a call without an answer shows no latency
            self._limits[name].note_call(seconds, segments=segments / len(claimed))
        self._note_refusals(name, claimed, outcomes)
        self._ctx.provider_health.tallies[name].add(outcomes, seconds=seconds, segments=segments)

    def _note_refusals(
        self, name: str, claimed: Sequence[ClaimedMessage], outcomes: Sequence[Outcome]
    ) -> None:
        """Note the last message that the provider did not take, or else that it took all."""
        refusals, now = self._ctx.provider_health.breakers.refusals, self._ctx.now()
        for one, outcome in zip(claimed, outcomes, strict=True):
            if isinstance(rest_of(outcome), Accepted):
                refusals.note_accepted(name)
            elif not isinstance(outcome, Unknown):
                message = one.message
                refusals.note(name, outcome, number=message.number, text=message.text, at=now)

    def _gate(self, messages: Sequence[DueMessage], latest_start: datetime) -> Gate:
        """Return the check that a call that starts now is within all windows and hours and the lease."""
        first = max([message.window.not_before for message in messages])
        last = min(latest_start, *[message.ends_at for message in messages])
        time = self._ctx.time

        def gate() -> bool:
            now, uncertainty = time.now(), time.uncertainty
            return first <= now - uncertainty and now + uncertainty < last

        return gate

    def _record(self, one: ClaimedMessage, provider: str, outcome: Outcome) -> None:
        message = one.message
        self._recorder.put(
            Attempt(
                message_id=message.id,
                attempt=one.attempt,
                tier=message.tier,
                not_after=message.window.not_after,
                deferrals=message.deferrals,
                doubts=message.doubts,
                provider=provider,
                outcome=outcome,
                parts_taken=message.parts_taken,
            )
        )
