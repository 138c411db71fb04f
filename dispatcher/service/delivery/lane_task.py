"""The messages of one lane task, until each is claimed or waits elsewhere."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dispatcher.domain.delivery.message import DueMessage, RoutedMessage
from dispatcher.domain.messages.waits import WaitKind
from dispatcher.service.context import Context
from dispatcher.service.delivery import availability
from dispatcher.store.delivery import claims
from dispatcher.store.delivery.claims import HeldMessage, WorkerWait


class LaneTask:
    """
    Counts the messages of one lane task that are in a send queue; `finish` returns when none is.

    `stopping` is set when this worker stops.
    """

    def __init__(self, ctx: Context, stopping: asyncio.Event) -> None:
        self._ctx = ctx
        self._stopping = stopping
        self._queued = 0
        self._none_queued = asyncio.Event()
        self._failure: Exception | None = None
        self.unclaimed: list[int] = []
        self.claimed = 0

    def queue(
        self, routed: RoutedMessage, *, since: datetime, token_at: datetime, deadline: float
    ) -> "QueuedMessage":
        """Return the entry of this message for a send queue, and count it."""
        self._queued += 1
        self._none_queued.clear()
        return QueuedMessage(routed.message, routed.providers, since, token_at, deadline, self)

    async def finish(self, held: Sequence[HeldMessage]) -> None:
        """
        Hold these messages, and wait until no other message is queued.

        A worker that stops makes messages ready again that were not claimed.
        Raises Unavailable, and the first failure of a claim.
        """
        if held:
            await availability.hold(self._ctx, held)
        if self._queued:
            await self._none_queued.wait()
        if self._failure is not None:
            raise self._failure
        if self.unclaimed and self._stopping.is_set():
            now = self._ctx.now()
            await self._ctx.database.single(lambda c: claims.return_to_ready(c, self.unclaimed, now=now))

    def end(self, failure: Exception | None = None) -> None:
        """Count one message as no longer queued."""
        self._failure = self._failure or failure
        self._queued -= 1
        if not self._queued:
            self._none_queued.set()


@dataclass(frozen=True, slots=True, eq=False)
class QueuedMessage:
    """
    A message with a token for its first provider; it waits for a slot until `deadline`, in loop time.

    It waited for the token from `since` to `token_at`.
    """

    message: DueMessage
    providers: tuple[str, ...]
    since: datetime
    token_at: datetime
    deadline: float
    lane_task: LaneTask = field(repr=False)

    def wait(self, now: datetime) -> WorkerWait:
        """Return its wait in this worker, for what it waited longer."""
        is_slot = now - self.token_at > self.token_at - self.since
        return WorkerWait(WaitKind.SLOT if is_slot else WaitKind.TOKEN, self.since)

    def end(self, failure: Exception | None = None) -> None:
        """Remove the message from the count: it waits elsewhere, or its claim failed."""
        self.lane_task.end(failure)

    def end_claimed(self) -> None:
        """Remove the message from the count: it is claimed, and is being sent."""
        self.lane_task.claimed += 1
        self.lane_task.end()

    def end_unclaimed(self) -> None:
        """Remove the message from the count: it was not claimed, and is still in its lane."""
        self.lane_task.unclaimed.append(self.message.id)
        self.lane_task.end()
