"""The Celery tasks: each runs a coroutine in the loop and waits until it ends."""

import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from celery import Celery

from dispatcher.bootstrap import DELIVER, DELIVER_ANY, OWN_PROBE, POSTED_AT, PROBE
from dispatcher.domain.tier import TIER_LIMITS
from dispatcher.service.receipts import ingest
from workers.loop import LoopThread
from workers.process import ProcessParts
from workers.schedule import INTERVALS

_DUTY_SECONDS = 60.0
_REQUEUE = {DELIVER[tier]: limits.requeue for tier, limits in TIER_LIMITS.items()}


def add_tasks(app: Celery, loop: Callable[[], LoopThread[ProcessParts]]) -> None:
    """Register all tasks with this application alone, under the names by which `dispatcher` sends them."""

    def deliver(task: Any, message_ids: Sequence[int]) -> Mapping[str, int]:
        parts = loop().parts
        if is_old(task.name, task.request.get(POSTED_AT), now=parts.ctx.now()):
            return {"old": len(message_ids)}
        return loop().submit(parts.worker.deliver(message_ids)).result()

    for name in (*DELIVER.values(), DELIVER_ANY):
        app.task(deliver, name=name, bind=True, shared=False)

    # The clock's tasks send no events to Flower: one a second from each task would flood its list.
    @app.task(name=PROBE, send_events=False, shared=False)
    def probe(queue: str) -> None:
        ctx = loop().parts.ctx
        loop().submit(ctx.heartbeats.beat(queue, now=ctx.now())).result(_DUTY_SECONDS)

    @app.task(name=OWN_PROBE, send_events=False, shared=False)
    def own_probe() -> None:
        loop().parts.own_queue.consumed = loop().parts.ctx.now()

    def add(name: str, work: Callable[[ProcessParts], Coroutine[Any, Any, object]]) -> None:
        pace = Pace(INTERVALS[name])

        @app.task(name=name, send_events=False, shared=False)
        def run() -> None:
            if pace.is_due():
                loop().submit(work(loop().parts)).result(_DUTY_SECONDS)

    add("match_receipts", lambda parts: ingest.match(parts.ctx))
    add("poll", lambda parts: parts.poller.poll())
    add("launch", _launch)
    add("tick", lambda parts: parts.clock.tick())
    add("forget", lambda parts: parts.clock.forget())


async def _launch(parts: ProcessParts) -> None:
    from dispatcher.service.campaigns import launch  # for the system worker alone

    await launch.launch(parts.ctx)


def is_old(task: str, posted_at: float | None, *, now: datetime) -> bool:
    """
    Whether the clock has requeued the ids of a lane task long ago, so that it only repeats a later one.

    Both times are those of Postgres; tasks of the last version have none.
    """
    if task not in _REQUEUE or posted_at is None:
        return False
    return now - datetime.fromtimestamp(posted_at, UTC) > 2 * _REQUEUE[task]


class Pace:
    """Skips the entries of beat that piled up: a task is due again after half of its interval."""

    def __init__(self, every: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._least = every / 2
        self._clock = clock
        self._lock = threading.Lock()
        self._ran_at = float("-inf")

    def is_due(self) -> bool:
        """Whether the task runs now, by this machine's monotonic clock."""
        with self._lock:
            now = self._clock()
            if now - self._ran_at < self._least:
                return False
            self._ran_at = now
            return True
