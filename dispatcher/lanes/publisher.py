"""
Puts ids into lanes and wakes the clock: blocking code, in one thread of its own.

Nothing waits for it and nothing is retried here: an id that does not get
through is found again by the clock, because its row's `wake_at` says when.
"""

import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from dispatcher.domain.tier import PACE, Tier
from dispatcher.lanes.celery_app import DELIVER
from dispatcher.lanes.wake import CHANNEL, LONGEST_SLEEP

log = structlog.get_logger()

# How long a lane is left alone after an entry: what comes meanwhile goes together. Critical waits for nobody.
_PACE = {Tier.CRITICAL: 0.0, Tier.STANDARD: 0.02, Tier.BULK: 0.05}
# What Celery does for a task costs a millisecond, whatever is in it.
_CHUNK = {Tier.CRITICAL: 20, Tier.STANDARD: 100, Tier.BULK: 500}
_FAR = 5 * LONGEST_SLEEP  # by this machine's clock, which may be a little wrong
_FAILURES = (OperationalError, RedisError, OSError)


class Publisher:
    """Started by the first use after a fork; `dropped` counts ids that were left to the clock."""

    def __init__(self, celery: Celery, redis: "Redis", *, capacity: int = 10_000) -> None:
        self._celery = celery
        self._redis = redis
        self._queue: queue.Queue[tuple[Tier, Sequence[int]] | datetime | None] = queue.Queue(capacity)
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self.published = 0
        self.dropped = 0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def publish(self, tier: Tier, ids: Sequence[int]) -> None:
        """Put these ids into their lane soon. Never blocks, never fails."""
        if ids:
            try:
                self._queue.put_nowait((tier, ids))
            except queue.Full:
                self.dropped += len(ids)

    def wake(self, at: datetime) -> None:
        """
        Tell the clock's timer that something is to be looked at then. Never blocks, never fails.

        What is further off than the timer ever sleeps it finds by itself.
        """
        if at - datetime.now(UTC) > _FAR:
            return
        with suppress(queue.Full):
            self._queue.put_nowait(at)

    def stop(self, timeout: timedelta = timedelta(seconds=5)) -> None:
        """Publish what waits, then end the thread; what does not get through in time is left to the clock."""
        with suppress(queue.Full):
            self._queue.put_nowait(None)
        self._thread.join(timeout.total_seconds())

    def _run(self) -> None:
        ids: dict[Tier, list[int]] = {tier: [] for tier in Tier}
        ready_at = dict.fromkeys(Tier, 0.0)
        running = True
        while running:
            wakes: list[datetime] = []
            waiting = [ready_at[tier] for tier in Tier if ids[tier]]
            running = self._gather(ids, wakes, until=min(waiting) if waiting else None)
            for tier in Tier:  # critical first
                if ids[tier] and (time.monotonic() >= ready_at[tier] or not running):
                    self._send(tier, ids[tier])
                    ids[tier] = []
                    ready_at[tier] = time.monotonic() + _PACE[tier]
            if wakes:
                self._tell(min(wakes))

    def _gather(self, ids: dict[Tier, list[int]], wakes: list[datetime], *, until: float | None) -> bool:
        """Wait until then at most for something, and take all that is there; False: it was the end."""
        timeout = until and max(0.0, until - time.monotonic())
        while True:
            try:
                item = self._queue.get(timeout=timeout)
            except queue.Empty:
                return True
            match item:
                case None:
                    return False
                case datetime():
                    wakes.append(item)
                case tier, some:
                    ids[tier].extend(some)
            timeout = 0.0

    def _send(self, tier: Tier, ids: Sequence[int]) -> None:
        size = _CHUNK[tier]
        for start in range(0, len(ids), size):
            chunk = ids[start : start + size]
            try:
                # An entry older than the requeue time names rows that the clock took back.
                self._celery.send_task(
                    DELIVER,
                    args=[list(chunk)],
                    queue=tier.value,
                    expires=2 * PACE[tier].requeue.total_seconds(),
                    retry=False,
                )
                self.published += len(chunk)
            except _FAILURES as error:
                self.dropped += len(ids) - start
                log.warning("lane_not_reached", tier=tier.value, ids=len(ids) - start, error=str(error))
                return

    def _tell(self, at: datetime) -> None:
        try:
            self._redis.publish(CHANNEL, at.isoformat())
        except _FAILURES as error:
            log.warning("clock_not_woken", error=str(error))
