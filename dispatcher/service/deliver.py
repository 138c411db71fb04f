"""From a lane to a provider: read, route, throttle, claim, send, record."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import Unavailable
from dispatcher.domain.message import Due, Try
from dispatcher.domain.provider import Deferred, Outcome, Unknown, Unsent
from dispatcher.domain.route import route
from dispatcher.domain.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.domain.window import Phase
from dispatcher.service.claimer import Claim, Claimer
from dispatcher.service.context import Context
from dispatcher.service.recorder import Recorder
from dispatcher.service.slots import Slots, Strain
from dispatcher.store import delivery, ledger

log = structlog.get_logger()

_SLOT_WAIT = {Tier.CRITICAL: 1.0, Tier.STANDARD: 3.0, Tier.BULK: 3.0}
_NO_SLOT = 1.0


@dataclass(frozen=True, slots=True)
class Routed:
    """A message and its providers in order."""

    due: Due
    providers: tuple[str, ...]


class Courier:
    """
    What the chunks of one process share: the claims, the slots, the recorder.

    A message is claimed only when it has a route, a token and a slot, so a
    worker that dies leaves in doubt no more than it had in flight. No
    transaction is open during a provider call.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.recorder = Recorder(ctx)
        self.claimer = Claimer(ctx, self.recorder)
        self.strain = Strain()
        self.slots = {name: Slots(way.config, self.strain) for name, way in ctx.ways.items()}

    async def deliver(self, message_ids: Sequence[int]) -> None:
        """Take these messages from their lane to their providers; what cannot go now is left to the clock."""
        try:
            await self._deliver(message_ids)
        except Unavailable as error:
            log.warning("chunk_left_to_the_clock", messages=len(message_ids), error=str(error))

    def close(self) -> None:
        """Claim nothing more; chunks under way end soon and give back what they did not claim."""
        self.claimer.closed = True

    async def _deliver(self, message_ids: Sequence[int]) -> None:
        ctx = self._ctx
        due = await ctx.database.transact(lambda c: delivery.read(c, message_ids))
        routed, dropped = _triage(ctx, due)
        if dropped:
            await _drop(ctx, dropped)
        sending = await self._with_tokens(routed)
        outcomes = await asyncio.gather(*sending, return_exceptions=True)
        failures = [o for o in outcomes if isinstance(o, BaseException) and not isinstance(o, Unavailable)]
        if failures:
            raise failures[0]
        left = [o for o in outcomes if isinstance(o, int)]
        if left and self.claimer.closed:
            await ctx.database.transact(lambda c: delivery.unclaim(c, left))

    async def _with_tokens(self, routed: Sequence[Routed]) -> list["asyncio.Task[int | None]"]:
        """Take tokens for the whole chunk; hold back what gets none soon, start the rest."""
        started: list[asyncio.Task[int | None]] = []
        held: list[tuple[int, datetime]] = []
        for name in {r.providers[0] for r in routed}:
            of_it = [r for r in routed if r.providers[0] == name]
            tokens = await self._ctx.throttle.take(
                name,
                of_it[0].due.tier,
                tps=self._ctx.ways[name].config.tps,
                costs=[r.due.segments for r in of_it],
            )
            now = self._ctx.now()
            for message, token in zip(of_it, tokens, strict=True):
                if token.taken:
                    started.append(asyncio.create_task(self._one(message, wait=token.wait)))
                else:
                    held.append((message.due.id, now + token.wait))
        if held:
            await self._hold(held)
        return started

    async def _hold(self, until: Sequence[tuple[int, datetime]]) -> None:
        earliest = await self._ctx.database.transact(lambda c: delivery.hold(c, until))
        if earliest is not None:
            self._ctx.lanes.wake(earliest)

    async def _one(self, message: Routed, *, wait: timedelta) -> int | None:
        """Send one message; its id comes back when it was not claimed."""
        due, name = message.due, message.providers[0]
        await asyncio.sleep(wait.total_seconds())
        slots = self.slots[name]
        if not await slots.acquire(_SLOT_WAIT[due.tier]):
            pause = timedelta(seconds=max(_NO_SLOT, slots.expected_wait))
            await self._hold([(due.id, self._ctx.now() + pause)])
            return None
        try:
            claim = await self.claimer.claim(due, name)
            if claim is None:
                return due.id
            provider, outcome = await self._send(message, claim)
        finally:
            slots.release()
        self._record(due, claim, provider, outcome)
        return None

    def _record(self, due: Due, claim: Claim, provider: str, outcome: Outcome) -> None:
        self.recorder.put(
            Try(
                message_id=due.id,
                attempt=claim.attempt,
                tier=due.tier,
                not_after=due.window.not_after,
                deferrals=due.deferrals,
                doubts=due.doubts,
                provider=provider,
                outcome=outcome,
            )
        )

    async def _send(self, message: Routed, claim: Claim) -> tuple[str, Outcome]:
        """Call the route's providers in turn, as long as the call before surely did not go out."""
        first, *others = message.providers
        outcome = await self._call(first, message.due, claim)
        for name in others:
            if not isinstance(outcome, Unsent | Deferred):
                break
            if await self._token_at_once(name, message.due):
                first, outcome = name, await self._call(name, message.due, claim)
        return first, outcome

    async def _token_at_once(self, name: str, due: Due) -> bool:
        tps = self._ctx.ways[name].config.tps
        [token] = await self._ctx.throttle.take(name, due.tier, tps=tps, costs=[due.segments])
        return token.taken

    async def _call(self, name: str, due: Due, claim: Claim) -> Outcome:
        way, time = self._ctx.ways[name], self._ctx.time
        patience = way.config.call_timeout

        def gate() -> bool:
            earliest, latest = time.now() - time.uncertainty, time.now() + time.uncertainty
            inside = due.window.not_before <= earliest and latest < due.window.not_after
            return inside and latest + patience < claim.lease_end

        if not gate():
            return Unsent("its window or its lease was over before the call")
        try:
            async with self.slots[name].timed(), asyncio.timeout(2 * patience.total_seconds()):
                [outcome] = await way.provider.send([due.outgoing(claim.attempt)], gate)
        except TimeoutError:
            return Unknown(f"{name} did not end the call in time")
        except Exception as error:  # a plug-in's bug must not lose the claim: nobody knows what went out
            log.exception("provider_crashed", provider=name, message_id=due.id)
            return Unknown(f"{name} crashed: {type(error).__name__}")
        return outcome


def _triage(ctx: Context, due: Sequence[Due]) -> tuple[list[Routed], list[tuple[int, Status, str]]]:
    now = ctx.now()
    routed: list[Routed] = []
    dropped: list[tuple[int, Status, str]] = []
    configs = [way.config for way in ctx.ways.values()]
    for message in due:
        if message.window.phase(now) is Phase.OVER:
            continue  # expire ends it, with the doubt it may have
        providers = route(message.country, configs, is_test=message.is_test)
        if message.opted_out:
            dropped.append((message.id, Status.OPTED_OUT, "the number has opted out"))
        elif message.sender is None:
            dropped.append((message.id, Status.NO_SENDER, "its sender was removed"))
        elif not message.sender_usable:
            dropped.append((message.id, Status.INVALID_SENDER, f"sender {message.sender} was disabled"))
        elif not providers:
            dropped.append((message.id, Status.NO_ROUTE, "no provider serves this country any more"))
        else:
            routed.append(Routed(message, providers))
    return routed, dropped


async def _drop(ctx: Context, dropped: Sequence[tuple[int, Status, str]]) -> None:
    now = ctx.now()

    async def work(connection: AsyncConnection) -> None:
        moved = await delivery.drop(connection, dropped, now=now)
        await ledger.refund(connection, [row.id for row in moved if row.charged and row.status.is_refunded])

    await ctx.database.transact(work)
