"""From a lane to a provider: read, route, throttle, claim, send, record."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import Unavailable
from dispatcher.domain.message import Due
from dispatcher.domain.msisdn import Msisdn
from dispatcher.domain.route import Plan, order
from dispatcher.domain.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.domain.window import Phase
from dispatcher.service import admit, hours, routes
from dispatcher.service.admit import Held, Routed
from dispatcher.service.call import Calls
from dispatcher.service.chunk import Chunk
from dispatcher.service.context import Context
from dispatcher.service.line import Line
from dispatcher.service.recorder import Recorder
from dispatcher.service.slots import Slots, Strain
from dispatcher.service.turnstile import Turnstile
from dispatcher.store import delivery, ledger

log = structlog.get_logger()


class Courier:
    """
    What the chunks of one process share: the lines, the slots, the recorder.

    A message is claimed only when it has a route, a token and a slot, so a
    worker that dies leaves in doubt no more than it had in flight. No
    transaction is open during a provider call.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._closed = False
        self.recorder = Recorder(ctx)
        self.strain = Strain()
        self.slots = {
            name: Slots(way.config, self.strain, a_call=way.provider.max_batch)
            for name, way in ctx.ways.items()
        }
        calls = Calls(ctx, self.slots, self.recorder)
        self._lines = {
            name: Line(ctx, name, slots, may_claim=self._may_claim, send=calls.send)
            for name, slots in self.slots.items()
        }
        self._turnstiles = {
            (name, tier): Turnstile(ctx, name, tier, line, self._settle)
            for name, line in self._lines.items()
            for tier in Tier
        }

    async def deliver(self, message_ids: Sequence[int]) -> None:
        """
        Take these messages from their lane to their providers; what cannot go now is left to the clock.

        Ends when all that may go at once is claimed: how long others wait for
        their tokens, or a provider takes to answer, is no matter of the lane.
        """
        try:
            await self._deliver(message_ids)
        except Unavailable as error:
            log.warning("chunk_left_to_the_clock", messages=len(message_ids), error=str(error))

    def close(self) -> None:
        """Claim nothing more; chunks under way end soon and give back what they did not claim."""
        self._closed = True
        for turnstile in self._turnstiles.values():
            turnstile.close()

    async def idle(self) -> None:
        """Wait until nobody waits for a token and no call is out; what came of them is the recorder's."""
        for turnstile in self._turnstiles.values():
            await turnstile.idle()
        for line in self._lines.values():
            await line.idle()

    def _may_claim(self) -> bool:
        return not self._closed and not self.recorder.is_behind

    async def _deliver(self, message_ids: Sequence[int]) -> None:
        ctx = self._ctx
        await routes.ready(ctx)
        due = await ctx.database.single(lambda c: delivery.read(c, message_ids))
        paused = [message.id for message in due if message.paused]
        if paused:  # ready again, where fill lets them be
            await ctx.database.single(lambda c: delivery.return_to_ready(c, paused))
        routed, dropped = _triage(ctx, [message for message in due if not message.paused])
        routed, closed = await hours.part(ctx, routed)
        if dropped or closed.over:
            await _drop(ctx, [*dropped, *closed.over])
        if closed.waits:
            await hours.wait(ctx, closed.waits)
        chunk = Chunk()
        held, barred = await self._admit(routed, chunk)
        if barred:
            await admit.wait(ctx, barred)
        await self._settle(chunk, held)

    async def _settle(self, chunk: Chunk, held: Sequence[Held]) -> None:
        """Hold some, and see the chunk's others claimed; give back what is not, if this worker stops."""
        if held:
            await admit.hold(self._ctx, held)
        await chunk.over()
        if chunk.unclaimed and self._closed:
            await self._ctx.database.single(lambda c: delivery.return_to_ready(c, chunk.unclaimed))

    async def _admit(self, routed: Sequence[Routed], chunk: Chunk) -> tuple[list[Held], list[Routed]]:
        """Let all enter that have a way; give those whose tokens are far off, and those without a way."""
        ways, barred = admit.part(self._ctx, routed)
        held: list[Held] = []
        while ways:
            by_first: defaultdict[str, list[Routed]] = defaultdict(list)
            for one in ways:
                by_first[one[1][0]].append(one)
            ways = []
            for provider, some in by_first.items():
                turnstile = self._turnstiles[provider, some[0][0].tier]
                if admit.condition(self._ctx, provider).is_on_trial:
                    late = await turnstile.enter_trial(some, chunk)
                    ways += [(due, providers[1:]) for due, providers in late if len(providers) > 1]
                    barred += [one for one in late if len(one[1]) == 1]
                else:
                    held += await turnstile.enter(some, chunk)
        return held, barred


def _triage(ctx: Context, due: Sequence[Due]) -> tuple[list[Routed], list[tuple[int, Status, str]]]:
    now = ctx.now()
    routed: list[Routed] = []
    dropped: list[tuple[int, Status, str]] = []
    for message in due:
        if message.window.phase(now) is Phase.OVER:
            continue  # expire ends it, with the doubt it may have
        if message.opted_out:
            dropped.append((message.id, Status.OPTED_OUT, "the number has opted out"))
        elif message.sender is None:
            dropped.append((message.id, Status.NO_SENDER, "its sender was removed"))
        elif not message.sender_usable:
            dropped.append((message.id, Status.INVALID_SENDER, f"sender {message.sender} was disabled"))
        else:
            plan = _plan(ctx, message)
            if plan.refusal is not None:
                dropped.append((message.id, *plan.refusal))
            else:
                shown = message if plan.sender == message.sender else replace(message, sender=plan.sender)
                # All drained: what was accepted waits, for a drain may end.
                providers = order(plan, message.public_id, ctx.conditions) or plan.names
                routed.append((shown, providers))
    return routed, dropped


def _plan(ctx: Context, message: Due) -> Plan:
    number = Msisdn(message.number, message.country)
    return routes.plan_for(
        ctx,
        message.account_id,
        number,
        tier=message.tier,
        sender=message.sender,
        is_test=message.is_test,
    )


async def _drop(ctx: Context, dropped: Sequence[tuple[int, Status, str]]) -> None:
    now = ctx.now()

    async def work(connection: AsyncConnection) -> None:
        moved = await delivery.drop(connection, dropped, now=now)
        await ledger.refund(connection, [row.id for row in moved if row.charged and row.status.is_refunded])

    await ctx.database.transact(work)
