"""The Celery tasks: each runs a coroutine in the loop and waits until it ends."""

from collections.abc import Callable, Mapping, Sequence

from celery import Celery

from dispatcher.bootstrap import DELIVER, DELIVER_ANY, OWN_PROBE, PROBE
from dispatcher.service.receipts import ingest
from workers.loop import LoopThread
from workers.process import ProcessParts

_DUTY_SECONDS = 60.0


def add_tasks(app: Celery, loop: Callable[[], LoopThread[ProcessParts]]) -> None:
    """Register all tasks with this application alone, under the names by which `dispatcher` sends them."""

    def deliver(message_ids: Sequence[int]) -> Mapping[str, int]:
        return loop().submit(loop().parts.worker.deliver(message_ids)).result()

    for name in (*DELIVER.values(), DELIVER_ANY):
        app.task(deliver, name=name, shared=False)

    # The clock's tasks send no events to Flower: one a second from each task would flood its list.
    @app.task(name=PROBE, send_events=False, shared=False)
    def probe(queue: str) -> None:
        ctx = loop().parts.ctx
        loop().submit(ctx.heartbeats.beat(queue, now=ctx.now())).result(_DUTY_SECONDS)

    @app.task(name=OWN_PROBE, send_events=False, shared=False)
    def own_probe() -> None:
        loop().parts.own_queue.consumed = loop().parts.ctx.now()

    @app.task(name="match_receipts", send_events=False, shared=False)
    def match_receipts() -> None:
        loop().submit(ingest.match(loop().parts.ctx)).result(_DUTY_SECONDS)

    @app.task(name="poll", send_events=False, shared=False)
    def poll() -> None:
        loop().submit(loop().parts.poller.poll()).result(_DUTY_SECONDS)

    @app.task(name="launch", send_events=False, shared=False)
    def launch_campaigns() -> None:
        from dispatcher.service.campaigns import launch  # for the system worker alone

        loop().submit(launch.launch(loop().parts.ctx)).result(_DUTY_SECONDS)

    @app.task(name="tick", send_events=False, shared=False)
    def tick() -> None:
        loop().submit(loop().parts.clock.tick()).result(_DUTY_SECONDS)

    @app.task(name="forget", send_events=False, shared=False)
    def forget() -> None:
        loop().submit(loop().parts.clock.forget()).result(_DUTY_SECONDS)
