"""
The queue before one provider: messages that have a token wait for a slot, are claimed together, and are sent.

A message is claimed right before its request is sent. Queued messages are not
claimed, so a worker that is killed leaves only its open calls in doubt.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

import structlog

from dispatcher.domain.errors import Unavailable
from dispatcher.domain.messages.waits import SHORTEST, WaitKind
from dispatcher.domain.tier import Tier
from dispatcher.service.context import Context
from dispatcher.service.delivery import availability
from dispatcher.service.delivery.concurrency import ConcurrencyLimit
from dispatcher.service.delivery.lane_task import QueuedMessage
from dispatcher.service.delivery.provider_call import ClaimedMessage, ProviderCalls
from dispatcher.service.delivery.recorder import Recorder
from dispatcher.service.task_set import TaskSet
from dispatcher.store.delivery import claims
from dispatcher.store.delivery.claims import HeldMessage, MessageVersion

log = structlog.get_logger()

_ROWS = 100
_STARTS = 12  # calls that start in one iteration of the loop, about a millisecond; then answers are read
# How long a free slot waits for more messages, if some arrived a moment ago: a claim of fifty costs little
# more than a claim of one.
_GATHER = {Tier.CRITICAL: 0.001, Tier.STANDARD: 0.005, Tier.BULK: 0.008}
_RECENT = 2
_CHECK = 0.1  # seconds between two checks of the deadlines of messages that wait for a slot
_NO_SLOT = 1.0


class SendQueue:
    """
    The send queue of one provider in one process.

    Nothing is claimed while the recorder is behind, or when `stopping` is set.

    A message leaves its lane task when it is claimed: a provider that does not
    respond keeps its slots busy, but not the lane tasks of its messages. One
    claim runs at a time, and the messages that arrive meanwhile are claimed
    together in the next one.
    """

    def __init__(
        self,
        ctx: Context,
        provider: str,
        *,
        limit: ConcurrencyLimit,
        calls: ProviderCalls,
        recorder: Recorder,
        stopping: asyncio.Event,
    ) -> None:
        self._ctx = ctx
        self._provider = provider
        self._limit = limit
        self._calls = calls
        self._recorder = recorder
        self._stopping = stopping
        self._batch = ctx.providers[provider].provider.max_batch
        self._waiting: deque[QueuedMessage] = deque()
        self._is_running = False
        self._is_full: asyncio.Future[None] | None = None
        self._claimed_at = 0.0
        self._tasks = TaskSet(log.bind(provider=provider), "send_queue_failed", on_failure=self._note_failure)

    def put(self, queued: QueuedMessage) -> None:
        """Add a message at the end."""
        self._waiting.append(queued)
        if not self._is_running:
            self._is_running = True
            self._tasks.start(self._run())
        elif self._is_full is not None and not self._is_full.done() and self._has_a_full_claim:
            self._is_full.set_result(None)

    async def idle(self) -> None:
        """Wait until no message is queued and no call is open."""
        await self._tasks.wait()

    async def _run(self) -> None:
        """Claim and send until the queue is empty."""
        try:
            while self._waiting:
                await self._limit.wait_until_free(_CHECK)
                await self._gather()
                self._hold_late()
                if self._waiting and self._limit.free:
                    await self._claim_next()
        except Exception as error:  # a bug; the clock finds the messages in their lane
            while self._waiting:
                self._waiting.popleft().end(error)
            raise
        finally:
            self._is_running = False

    @property
    def _has_a_full_claim(self) -> bool:
        return len(self._waiting) >= _ROWS <= self._limit.free

    async def _gather(self) -> None:
        """Wait a moment for more messages, if some arrived just before."""
        pause = _GATHER[self._waiting[0].message.tier]
        is_busy = self._limit.in_use and time.monotonic() - self._claimed_at < _RECENT * pause
        if is_busy and self._limit.free and not self._has_a_full_claim:
            self._is_full = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._is_full], timeout=pause)
            self._is_full = None

    def _hold_late(self) -> None:
        """
        Hold the messages whose deadline has passed without a slot, so that operators see them wait.

        Hold all messages if the provider does not respond or is barred now:
        those with another provider go there when they are read again.
        """
        accepts_none = availability.state_of(self._ctx, self._provider).is_barred or self._limit.is_stuck
        now = asyncio.get_running_loop().time()
        late: list[QueuedMessage] = []
        while self._waiting and (accepts_none or self._waiting[0].deadline <= now):
            late.append(self._waiting.popleft())
        if late:
            self._tasks.start(self._hold(late))

    async def _hold(self, late: Sequence[QueuedMessage]) -> None:
        pause = max(_NO_SLOT, len(self._waiting) * self._limit.latency / self._limit.slots)
        until = self._ctx.now() + timedelta(seconds=pause)
        try:
            await availability.hold(
                self._ctx,
                [
                    HeldMessage(queued.message.id, until, WaitKind.SLOT, self._provider, queued.since)
                    for queued in late
                ],
            )
        except Unavailable as error:
            log.warning("left_to_the_clock", messages=len(late), error=str(error))
        finally:
            for queued in late:
                queued.end()

    async def _claim_next(self) -> None:
        """Claim as many messages as there are slots for, in one statement, and start their calls."""
        slots = min(self._limit.free, -(-min(len(self._waiting), _ROWS) // self._batch))
        count = min(slots * self._batch, len(self._waiting))
        chosen = [self._waiting.popleft() for _ in range(count)]
        lease_end = self._ctx.now() + min(lease(self._ctx, tier) for tier in {q.message.tier for q in chosen})
        calls: list[Sequence[ClaimedMessage]] = []
        began = time.monotonic()
        self._limit.take(slots)
        try:
            calls += _batches(await self._claim(chosen, lease_end), self._batch)
        finally:
            if len(calls) < slots:
                self._limit.release(slots - len(calls))
        self._claimed_at = time.monotonic()
        self._limit.note_claim(self._claimed_at - began + _GATHER[chosen[0].message.tier])
        if calls:
            self._tasks.start(self._start(calls, lease_end))

    async def _claim(self, chosen: Sequence[QueuedMessage], lease_end: datetime) -> list[ClaimedMessage]:
        """Return the messages that this worker may send; all of them leave the queue."""
        attempts: dict[MessageVersion, int] = {}
        failure: Exception | None = None
        if not self._stopping.is_set() and not self._recorder.is_behind:
            now = self._ctx.now()
            versions = [MessageVersion(queued.message.id, queued.message.seq) for queued in chosen]
            waits = {
                version: queued.wait(now)
                for version, queued in zip(versions, chosen, strict=True)
                if now - queued.since >= SHORTEST
            }
            try:
                attempts = await self._ctx.database.single(
                    lambda connection: claims.claim(
                        connection,
                        versions,
                        provider=self._provider,
                        now=now,
                        lease_end=lease_end,
                        waits=waits,
                    )
                )
            except Unavailable as error:
                log.warning("not_claimed", messages=len(chosen), error=str(error))
            except Exception as error:  # a bug; the lane task raises it, and the slots are released
                failure = error
        claimed = []
        for queued in chosen:
            message = queued.message
            # Two lane tasks may name a message: only one of them gets the claim.
            attempt = attempts.pop(MessageVersion(message.id, message.seq), None)
            if attempt is not None:
                claimed.append(ClaimedMessage(message, queued.providers, attempt))
                queued.end_claimed()
            elif failure is not None:
                queued.end(failure)
            else:
                queued.end_unclaimed()
        return claimed

    async def _start(self, calls: Sequence[Sequence[ClaimedMessage]], lease_end: datetime) -> None:
        for number, claimed in enumerate(calls):
            if number and number % _STARTS == 0:
                await asyncio.sleep(0)
            self._tasks.start(self._call(claimed, lease_end))

    async def _call(self, claimed: Sequence[ClaimedMessage], lease_end: datetime) -> None:
        try:
            await self._calls.send(self._provider, claimed, lease_end)
        except Exception as error:
            # Our bug, as a provider's failures are outcomes; rescue finds the messages in doubt.
            ids = [one.message.id for one in claimed]
            log.exception("call_crashed", provider=self._provider, message_ids=ids)
            self._note_failure(error)

    def _note_failure(self, error: BaseException) -> None:
        self._ctx.background.failures.note(f"send queue of {self._provider}", error)


def lease(ctx: Context, tier: Tier) -> timedelta:
    """Return the duration of a claim: for critical messages only twice the longest call."""
    whole = timedelta(seconds=ctx.settings.lease)
    if tier is not Tier.CRITICAL:
        return whole
    slowest = max(
        (configured.config.call_timeout for configured in ctx.providers.values()), default=timedelta()
    )
    return min(whole, slowest * 2)


def _batches(claimed: Sequence[ClaimedMessage], size: int) -> Iterator[Sequence[ClaimedMessage]]:
    some = iter(claimed)
    while batch := list(islice(some, size)):
        yield batch
