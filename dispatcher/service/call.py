"""A call to a provider with messages that are claimed; to the next if it surely did not go out."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import structlog

from dispatcher.domain.message import Due, Try
from dispatcher.domain.provider import Deferred, Outcome, Unknown, Unsent
from dispatcher.service.chunk import Ticket
from dispatcher.service.context import Context
from dispatcher.service.recorder import Recorder
from dispatcher.service.slots import Slots

log = structlog.get_logger()

Claims = Sequence[tuple[Ticket, int]]
"""Tickets that were claimed together, each with the number of its attempt."""


class Calls:
    """Makes the calls of one process. No transaction is open meanwhile."""

    def __init__(self, ctx: Context, slots: Mapping[str, Slots], recorder: Recorder) -> None:
        self._ctx = ctx
        self._slots = slots
        self._recorder = recorder

    async def send(self, name: str, claims: Claims, lease_end: datetime) -> None:
        """Send, within the lease, what was claimed; what came of it goes to the recorder."""
        outcomes = await self._call(name, claims, lease_end)
        for (ticket, attempt), outcome in zip(claims, outcomes, strict=True):
            if isinstance(outcome, Unsent | Deferred) and len(ticket.providers) > 1:
                await self._fail_over(ticket, attempt, outcome, lease_end)
            else:
                self._record(ticket.due, attempt, name, outcome)

    async def _fail_over(self, ticket: Ticket, attempt: int, outcome: Outcome, lease_end: datetime) -> None:
        """Call the route's other providers in turn, as long as the call before surely did not go out."""
        due, (used, *others) = ticket.due, ticket.providers
        for name in others:
            if not isinstance(outcome, Unsent | Deferred):
                break
            if await self._token_at_once(name, due):
                used, [outcome] = name, await self._call(name, [(ticket, attempt)], lease_end)
        self._record(due, attempt, used, outcome)

    async def _token_at_once(self, name: str, due: Due) -> bool:
        tps = self._ctx.ways[name].config.tps
        [token] = await self._ctx.throttle.take(name, due.tier, tps=tps, costs=[due.segments])
        return token.taken

    async def _call(self, name: str, claims: Claims, lease_end: datetime) -> Sequence[Outcome]:
        """Make one call; each message's outcome in order. A gate that closes, closes for all of them."""
        way = self._ctx.ways[name]
        gate = self._gate([ticket.due for ticket, _ in claims], lease_end - way.config.call_timeout)
        if not gate():
            return [Unsent("its window, its allowed hours or its lease was over before the call")] * len(
                claims
            )
        outgoing = [ticket.due.outgoing(attempt) for ticket, attempt in claims]
        began = time.monotonic()
        try:
            async with asyncio.timeout(2 * way.config.call_timeout.total_seconds()):
                outcomes = await way.provider.send(outgoing, gate)
        except TimeoutError:
            return [Unknown(f"{name} did not end the call in time")] * len(claims)
        except Exception as error:  # a plug-in's bug must not lose the claim: nobody knows what went out
            log.exception("provider_crashed", provider=name, message_ids=[t.due.id for t, _ in claims])
            return [Unknown(f"{name} crashed: {type(error).__name__}")] * len(claims)
        finally:
            self._slots[name].note(time.monotonic() - began)
        if len(outcomes) != len(claims):
            log.error("provider_miscounted", provider=name, messages=len(claims), outcomes=len(outcomes))
            return [Unknown(f"{name} gave {len(outcomes)} outcomes for {len(claims)} messages")] * len(claims)
        return outcomes

    def _gate(self, due: Sequence[Due], latest_start: datetime) -> Callable[[], bool]:
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
