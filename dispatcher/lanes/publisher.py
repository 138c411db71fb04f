"""
Puts ids into lanes and wakes the clock: blocking code, in its own thread.

No caller waits for it. What fails is tried once more, on a new connection; then
its ids are reported, and whoever gets them by `on_unpublished` makes their
messages ready. Until Redis takes writes again nothing more is tried: a silent
Redis would keep each id waiting for the time-outs of all before it.
"""

import os
import queue
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from dispatcher.domain.tier import Tier
from dispatcher.lanes.celery_app import DELIVER, POSTED_AT
from dispatcher.lanes.wake import CHANNEL, LONGEST_SLEEP

log = structlog.get_logger()

# Seconds that a lane pauses after a task: ids that arrive meanwhile share the next one. Critical never waits.
_LANE_PAUSE = {Tier.CRITICAL: 0.0, Tier.STANDARD: 0.02, Tier.BULK: 0.05}
# The most ids of one task. A task costs Celery a millisecond, whatever its size.
_TASK_SIZE = {Tier.CRITICAL: 20, Tier.STANDARD: 100, Tier.BULK: 500}
_FAR = 5 * LONGEST_SLEEP
_EXPECTED_ERRORS = (OperationalError, RedisError, OSError)
_FORK_WAIT = 1.0
_PROBE_PAUSE = 0.5
_PROBE_KEY = "sms:publisher"

_Item = tuple[Tier, Sequence[int]] | datetime | None
"""Ids for a lane, a time to wake the clock at, or None to end the thread."""


class Publisher:
    """
    Publishes in one thread, which is started again if it has died, at the next item.

    `dropped` counts ids that were not published; `on_unpublished` gets them, in
    any thread. `on_failure` gets each unexpected error. `reachable` is false
    from a failure until Redis takes a write again. `now` is the time of
    Postgres. After a fork the child begins with an empty queue: the parent
    publishes the items of its own.
    """

    def __init__(
        self,
        celery: Celery,
        redis: "Redis",
        *,
        capacity: int = 10_000,
        on_failure: Callable[[str, BaseException], None] = lambda _task, _error: None,
        on_unpublished: Callable[[Sequence[int]], None] = lambda _ids: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._celery = celery
        self._redis = redis
        self._capacity = capacity
        self._on_failure = on_failure
        self._on_unpublished = on_unpublished
        self._now = now
        self._is_running = False
        self.reachable = True
        self._set_up()
        self.published = 0
        self.dropped = 0
        _publishers.add(self)

    def start(self) -> None:
        """Import all that the thread uses, then start it: a fork must not happen during an import."""
        self._import()
        with self._starting:
            self._is_running = True
            self._thread.start()

    def publish(self, tier: Tier, ids: Sequence[int]) -> None:
        """Put these ids into their lane soon. Never blocks and never raises."""
        if ids and not self._put((tier, ids)):
            self._drop(ids)

    def wake(self, at: datetime) -> None:
        """
        Wake the clock's timer at a time when something is due. Never blocks and never raises.

        A time further ahead than the timer ever sleeps is ignored: the timer finds it by itself.
        """
        if at - self._now() <= _FAR:
            self._put(at)

    def stop(self, timeout: timedelta = timedelta(seconds=5)) -> None:
        """Publish the queued items, then end the thread; the clock finds ids not published in time."""
        self._is_running = False
        with suppress(queue.Full):
            self._queue.put_nowait(None)
        self._thread.join(timeout.total_seconds())

    def _drop(self, ids: Sequence[int]) -> None:
        self.dropped += len(ids)
        self._on_unpublished(ids)

    def _set_up(self) -> None:
        self._queue: queue.Queue[_Item] = queue.Queue(self._capacity)
        self._starting = threading.Lock()
        self._step = threading.Lock()  # held by the thread while it publishes
        self._has_step_lock = False
        self._thread = self._new_thread()

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, args=(self._queue,), name="publisher", daemon=True)

    def _import(self) -> None:
        """Create and import what Celery otherwise does at the first use; it does not connect."""
        _ = self._celery.backend, self._celery.pool, self._celery.AsyncResult
        _ = self._celery.amqp.producer_pool, self._celery.amqp.send_task_message
        "localhost".encode("idna")  # imported by each name resolution

    def _put(self, item: _Item) -> bool:
        if self._is_running and not self._thread.is_alive():
            self._start_again()
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            return False
        return True

    def _start_again(self) -> None:
        with self._starting:
            if self._thread.is_alive():
                return
            self._thread = self._new_thread()
            try:
                self._thread.start()
            except RuntimeError as error:  # no more threads are available; the next item tries again
                self._report(error)

    def _run(self, items: "queue.Queue[_Item]") -> None:
        try:
            self._work(items)
        except BaseException as error:
            self._report(error)

    def _work(self, items: "queue.Queue[_Item]") -> None:
        ids: dict[Tier, list[int]] = {tier: [] for tier in Tier}
        ready_at = dict.fromkeys(Tier, 0.0)
        probe_at = 0.0
        running = True
        while running:
            wakes: list[datetime] = []
            waiting = [ready_at[tier] for tier in Tier if ids[tier]]
            if not self.reachable:
                waiting.append(probe_at)
            running = _take_items(items, ids, wakes, until=min(waiting) if waiting else None)
            if items is not self._queue:  # gevent copied the parent's thread into this child
                return
            with self._step:
                for tier in Tier:  # critical first
                    if ids[tier] and (time.monotonic() >= ready_at[tier] or not running):
                        self._send(tier, ids[tier])
                        ids[tier] = []
                        ready_at[tier] = time.monotonic() + _LANE_PAUSE[tier]
                if wakes and self.reachable:
                    self._wake(min(wakes))
                if not self.reachable and running and time.monotonic() >= probe_at:
                    self._probe()
                    probe_at = time.monotonic() + _PROBE_PAUSE

    def _send(self, tier: Tier, ids: Sequence[int]) -> None:
        size = _TASK_SIZE[tier]
        for start in range(0, len(ids), size):
            if not self.reachable:
                self._drop(ids[start:])
                return
            self._send_task(tier, ids[start : start + size])

    def _send_task(self, tier: Tier, ids: Sequence[int]) -> None:
        # No `expires`: it is compared with the worker's wall clock. The worker compares times of Postgres.
        send = partial(
            self._celery.send_task,
            DELIVER[tier], args=[list(ids)], queue=tier.value,
            headers={POSTED_AT: self._now().timestamp()}, retry=False,
        )  # fmt: skip
        try:
            try:
                send()
            except _EXPECTED_ERRORS:  # the connection was lost; the next one is a new one
                send()
            self.published += len(ids)
        except Exception as error:
            self.reachable = False
            log.warning("lane_not_reached", tier=tier.value, ids=len(ids), error=_line(error))
            self._report_unexpected(error)
            self._drop(ids)

    def _probe(self) -> None:
        """Find out whether Redis takes writes again; then the clock fills the lanes at once."""
        try:
            self._redis.set(_PROBE_KEY, b"", ex=60)
        except _EXPECTED_ERRORS:
            return
        self.reachable = True
        self._wake(self._now())

    def _wake(self, at: datetime) -> None:
        try:
            self._redis.publish(CHANNEL, at.isoformat())
        except Exception as error:
            log.warning("clock_not_woken", error=_line(error))
            self._report_unexpected(error)

    def _report_unexpected(self, error: Exception) -> None:
        if not isinstance(error, _EXPECTED_ERRORS):
            self._report(error)

    def _report(self, error: BaseException) -> None:
        log.error("publisher_failed", exc_info=error)
        self._on_failure("publisher", error)

    def _before_fork(self) -> None:
        # If a step takes longer, the fork goes on: a step imports nothing, and the child has a new thread.
        self._has_step_lock = self._step.acquire(timeout=_FORK_WAIT)

    def _after_fork(self) -> None:
        if self._has_step_lock:
            self._has_step_lock = False
            self._step.release()


def _take_items(
    items: "queue.Queue[_Item]", ids: dict[Tier, list[int]], wakes: list[datetime], *, until: float | None
) -> bool:
    """Wait for an item, at most until `until`, and take all that are queued. Return False at the end."""
    timeout = until and max(0.0, until - time.monotonic())
    while True:
        try:
            item = items.get(timeout=timeout)
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


def _line(error: Exception) -> str:
    return str(error) if isinstance(error, _EXPECTED_ERRORS) else type(error).__name__


_publishers: "weakref.WeakSet[Publisher]" = weakref.WeakSet()


def _hold_all() -> None:
    for publisher in list(_publishers):
        publisher._before_fork()


def _release_all() -> None:
    for publisher in list(_publishers):
        publisher._after_fork()


def _set_up_all() -> None:
    for publisher in list(_publishers):
        publisher._set_up()


os.register_at_fork(before=_hold_all, after_in_parent=_release_all, after_in_child=_set_up_all)
