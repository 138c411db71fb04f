"""
The queue for the tokens of one provider and tier: messages wait here in order, before the send queue.

A message that gets a token at once goes on to the send queue. Messages that
will get a token within seconds wait here and are still in their lane, so that
a provider with a low rate needs no more statements than others. Messages that
must wait longer for a token are held until one may be free, so that they do
not delay messages for other providers.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from dispatcher.domain.delivery.message import RoutedMessage
from dispatcher.domain.errors import Unavailable
from dispatcher.domain.messages.waits import WaitKind
from dispatcher.domain.tier import Tier
from dispatcher.lanes.throttle import Token
from dispatcher.service.context import Context
from dispatcher.service.delivery import availability
from dispatcher.service.delivery.lane_task import LaneTask
from dispatcher.service.delivery.send_queue import SendQueue
from dispatcher.service.task_set import TaskSet
from dispatcher.store.delivery import claims
from dispatcher.store.delivery.claims import HeldMessage

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Patience:
    """
    How long the messages of a tier wait.

    `slot` is the longest wait for a slot, in seconds. A message waits in this
    queue if it will get a token within `queued`; otherwise it is held, at most
    for `held`, because the provider may have become faster by then. The queue
    asks for tokens every `interval` seconds, which must be less than HORIZON.
    """

    slot: float
    queued: timedelta
    held: timedelta
    interval: float


_PATIENCE = {
    # Messages that have waited here for twice `queued` are held, before the clock would requeue their lane.
    Tier.CRITICAL: _Patience(1.0, timedelta(seconds=0.8), timedelta(seconds=2), 0.03),
    Tier.STANDARD: _Patience(3.0, timedelta(seconds=3), timedelta(minutes=1), 0.1),
    Tier.BULK: _Patience(3.0, timedelta(seconds=3), timedelta(minutes=5), 0.2),
}
_AT_ONCE = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Waiting:
    routed: RoutedMessage
    since: datetime
    until: datetime


class TokenQueue:
    """
    The token queue of one provider and tier in one process.

    When `stopping` is set, it makes all its messages ready again. Messages that
    wait here do not keep their lane task open, or the messages of a slow
    provider would delay those of a fast one.
    """

    def __init__(
        self, ctx: Context, provider: str, tier: Tier, *, send_queue: SendQueue, stopping: asyncio.Event
    ) -> None:
        self._ctx = ctx
        self._provider = provider
        self._send_queue = send_queue
        self._stopping = stopping
        self._patience = _PATIENCE[tier]
        self._rate = ctx.providers[provider].config.rate(tier)
        self._waiting: list[_Waiting] = []
        self._is_asking = False
        self._held_until = ctx.now()
        self._tasks = TaskSet(
            log.bind(provider=provider),
            "turnstile_failed",
            on_failure=partial(ctx.background.failures.note, f"token queue of {provider}"),
        )

    async def enter(self, routed: Sequence[RoutedMessage], lane_task: LaneTask) -> list[HeldMessage]:
        """Pass messages on in order, when they get their tokens. Return those that must be held meanwhile."""
        now = self._ctx.now()
        entering = [_Waiting(one, now, now + 2 * self._patience.queued) for one in routed]
        if self._is_asking:
            self._waiting += entering
            return []
        return self._distribute(entering, await self._take_tokens(routed), lane_task)

    async def enter_trial(self, routed: Sequence[RoutedMessage], lane_task: LaneTask) -> list[RoutedMessage]:
        """Pass messages on that get a token at the trial rate. Return the others."""
        late: list[RoutedMessage] = []
        for one, token in zip(routed, await self._take_tokens(routed), strict=True):
            if token.taken:
                self._pass_on(one, token, lane_task, since=self._ctx.now())
            else:
                late.append(one)
        return late

    async def idle(self) -> None:
        """Wait until no message waits here, nor in the send queue with a token that was taken here."""
        await self._tasks.wait()

    async def _take_tokens(self, routed: Sequence[RoutedMessage]) -> list[Token]:
        return await availability.take_tokens(self._ctx, self._provider, [one.message for one in routed])

    def _distribute(
        self, waiting: Sequence[_Waiting], tokens: Sequence[Token], lane_task: LaneTask
    ) -> list[HeldMessage]:
        """Pass messages with a token on, keep those that get one soon, and return those that must be held."""
        now, patience = self._ctx.now(), self._patience.queued
        near: list[_Waiting] = []
        held: list[HeldMessage] = []
        for one, token in zip(waiting, tokens, strict=True):
            if token.taken:
                self._pass_on(one.routed, token, lane_task, since=one.since)
            elif token.wait <= patience and now < one.until:
                near.append(one)
            else:
                message = one.routed.message
                until = self._next_try(now, token.wait, message.segments_left)
                held.append(HeldMessage(message.id, until, WaitKind.TOKEN, self._provider, one.since))
        self._waiting[:0] = near
        if self._waiting and not self._is_asking:
            self._is_asking = True
            self._start(self._keep_asking())
        return held

    def _pass_on(self, one: RoutedMessage, token: Token, lane_task: LaneTask, *, since: datetime) -> None:
        """Put one message, which is here since `since`, into the send queue at the time of its token."""
        loop, wait = asyncio.get_running_loop(), token.wait.total_seconds()
        deadline = loop.time() + self._patience.slot + wait
        token_at = self._ctx.now() + token.wait
        queued = lane_task.queue(one, since=since, token_at=token_at, deadline=deadline)
        if token.wait < _AT_ONCE:
            self._send_queue.put(queued)
        else:
            loop.call_later(wait, self._send_queue.put, queued)

    def _next_try(self, now: datetime, wait: timedelta, segments: int) -> datetime:
        """Return when a held message may get a token: after all messages that this process holds already."""
        latest = now + self._patience.held
        due = max(self._held_until, now + self._patience.queued) + segments / self._rate * _SECOND
        self._held_until = min(due, latest)
        # Messages that would be due later come back spread out, not all at once.
        return min(max(due, now + wait), latest - self._patience.held / 2 * self._ctx.rng.random())

    async def _keep_asking(self) -> None:
        """Ask for tokens until no message waits; make the messages ready again if the queue is closed."""
        try:
            while self._waiting:
                await asyncio.sleep(self._patience.interval)
                if self._is_closed:  # tokens that are taken now would never be used
                    return
                waiting, self._waiting = self._waiting, []
                lane_task = LaneTask(self._ctx, self._stopping)  # the task that brought them may have ended
                tokens = await self._take_tokens([one.routed for one in waiting])
                self._start(lane_task.finish(self._distribute(waiting, tokens, lane_task)))
        finally:
            self._is_asking = False
            if self._waiting:
                self._start(self._return_to_ready())

    @property
    def _is_closed(self) -> bool:
        state = availability.state_of(self._ctx, self._provider)
        return self._stopping.is_set() or state.is_barred or state.is_on_trial

    async def _return_to_ready(self) -> None:
        """Make the messages that wait here ready; read again, they may go to another provider."""
        ids = [one.routed.message.id for one in self._waiting]
        self._waiting = []
        now, provider = self._ctx.now(), self._provider
        await self._ctx.database.single(lambda c: claims.return_to_ready(c, ids, now=now, token_of=provider))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.start(self._unless_unavailable(work))

    async def _unless_unavailable(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Unavailable as error:  # the clock finds the messages in their lane
            log.warning("left_to_the_clock", provider=self._provider, error=str(error))
