"""
Before the line of each provider: messages wait for their tokens here, each tier apart and in order.

What has a token within a moment stands in line. What has one within seconds
waits here and is still in its lane, so that a provider whose rate is the limit
costs no statement more than one that is not. What is further off is held, out
of the way of what goes elsewhere, until its turn may have come.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from dispatcher.domain.errors import Unavailable
from dispatcher.domain.tier import Tier
from dispatcher.lanes.throttle import Token
from dispatcher.service import admit
from dispatcher.service.admit import Held, Routed
from dispatcher.service.chunk import Chunk
from dispatcher.service.context import Context
from dispatcher.service.line import Line
from dispatcher.store import delivery

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Patience:
    """
    How long a tier's messages wait.

    For a slot; here, if their token is so near; and held at most, for then it
    is asked again whether the provider has become quicker. Those who wait here
    ask so often, which must be sooner than HORIZON.
    """

    slot: float
    here: timedelta
    held: timedelta
    ask: float


_PATIENCE = {
    # Those who wait here for longer than twice this are held after all, sooner than the lane's requeue.
    Tier.CRITICAL: _Patience(1.0, timedelta(seconds=0.8), timedelta(seconds=2), 0.03),
    Tier.STANDARD: _Patience(3.0, timedelta(seconds=3), timedelta(minutes=1), 0.1),
    Tier.BULK: _Patience(3.0, timedelta(seconds=3), timedelta(minutes=5), 0.2),
}
_AT_ONCE = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)

Settle = Callable[[Chunk, Sequence[Held]], Awaitable[None]]
"""Holds what is to be held, and sees the chunk to its end."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    routed: Routed
    until: datetime


class Turnstile:
    """
    One for each tier and provider in each process; `settle` is for those whose chunk is over already.

    Who waits keeps no lane entry waiting, or a slow provider's messages would
    stand before a quick one's.
    """

    def __init__(self, ctx: Context, provider: str, tier: Tier, line: Line, settle: Settle) -> None:
        self._ctx = ctx
        self._provider = provider
        self._line = line
        self._settle = settle
        self._patience = _PATIENCE[tier]
        self._rate = ctx.ways[provider].config.rate(tier)
        self._waiting: list[_Waiting] = []
        self._asker: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._held_until = ctx.now()
        self._closed = False

    async def enter(self, some: Sequence[Routed], chunk: Chunk) -> list[Held]:
        """Let them pass in order as their tokens come. Gives those that are to be held meanwhile."""
        until = self._ctx.now() + 2 * self._patience.here
        if self._asker is None:
            return self._sort([_Waiting(one, until) for one in some], await self._tokens(some), chunk)
        self._waiting += [_Waiting(one, until) for one in some]
        return []

    async def enter_trial(self, some: Sequence[Routed], chunk: Chunk) -> list[Routed]:
        """Let those pass that have a token of the trickle. Gives the others."""
        late: list[Routed] = []
        for one, token in zip(some, await self._tokens(some), strict=True):
            if token.taken:
                self._pass(one, token, chunk)
            else:
                late.append(one)
        return late

    def close(self) -> None:
        """Give back who waits, and whoever will."""
        self._closed = True

    async def idle(self) -> None:
        """Wait until nobody waits here."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _tokens(self, some: Sequence[Routed]) -> list[Token]:
        return await admit.tokens(self._ctx, self._provider, [due for due, _ in some])

    def _sort(self, some: Sequence[_Waiting], tokens: Sequence[Token], chunk: Chunk) -> list[Held]:
        now, here = self._ctx.now(), self._patience.here
        near: list[_Waiting] = []
        held: list[Held] = []
        for one, token in zip(some, tokens, strict=True):
            if token.taken:
                self._pass(one.routed, token, chunk)
            elif token.wait <= here and now < one.until:
                near.append(one)
            else:
                due, _ = one.routed
                held.append((due.id, self._turn(now, token.wait, due.segments)))
        self._waiting[:0] = near
        if self._waiting and self._asker is None:
            self._asker = self._run(self._keep_asking())
        return held

    def _pass(self, one: Routed, token: Token, chunk: Chunk) -> None:
        """Let one stand in line when its token is there."""
        loop, wait = asyncio.get_running_loop(), token.wait.total_seconds()
        ticket = chunk.ticket(*one, until=loop.time() + self._patience.slot + wait)
        if token.wait < _AT_ONCE:
            self._line.put(ticket)
        else:
            loop.call_later(wait, self._line.put, ticket)

    def _turn(self, now: datetime, wait: timedelta, segments: int) -> datetime:
        """Tell when one that is held may have its turn: after all that this process holds already."""
        furthest = now + self._patience.held
        turn = max(self._held_until, now + self._patience.here) + segments / self._rate * _SECOND
        self._held_until = min(turn, furthest)
        # Those beyond come back spread out, not all at once.
        return min(max(turn, now + wait), furthest - self._patience.held / 2 * self._ctx.rng.random())

    async def _keep_asking(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(self._patience.ask)
                if self._is_shut:  # asked now, or tokens would be taken that nobody may use
                    return
                asked, self._waiting, chunk = self._waiting, [], Chunk()
                tokens = await self._tokens([one.routed for one in asked])
                self._run(self._settle(chunk, self._sort(asked, tokens, chunk)))
        finally:
            self._asker = None
            if self._waiting:
                self._run(self._give_back())

    @property
    def _is_shut(self) -> bool:
        condition = admit.condition(self._ctx, self._provider)
        return self._closed or condition.is_barred or condition.is_on_trial

    async def _give_back(self) -> None:
        """Let those who wait be read again, with whatever way they have then."""
        ids = [one.routed[0].id for one in self._waiting]
        self._waiting = []
        await self._ctx.database.single(lambda c: delivery.return_to_ready(c, ids))

    def _run(self, work: Awaitable[None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._safely(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _safely(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Unavailable as error:
            log.warning("left_to_the_clock", provider=self._provider, error=str(error))
        except Exception:  # a bug; the clock finds the messages in their lane
            log.exception("turnstile_failed", provider=self._provider)
