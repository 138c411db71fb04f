"""The Celery application, `celery -A workers.app`, with the settings of the dispatcher."""

from typing import Any

from celery.concurrency import get_implementation
from celery.concurrency.thread import TaskPool
from celery.signals import worker_init, worker_shutdown, worker_shutting_down

from dispatcher.settings import load_settings
from workers.broker import app
from workers.loop import LoopThread
from workers.own_queue import OwnQueue
from workers.process import ProcessParts, opener
from workers.tasks import add_tasks

__all__ = ["app"]

_STOP = 150.0  # twice the longest call_timeout that can be set, plus the time to write outcomes

settings = load_settings()

_loops: list[LoopThread[ProcessParts]] = []


def _loop() -> LoopThread[ProcessParts]:
    return _loops[0]


add_tasks(app, _loop)


@worker_init.connect
def start_loop(sender: Any = None, **_: object) -> None:
    """Start the loop before the first task. Exit unless the pool is of threads, which can share the loop."""
    if not issubclass(get_implementation(sender.pool_cls), TaskPool):
        raise SystemExit("workers need Celery's threads pool: add --pool threads")
    queues = frozenset(str(name) for name in app.amqp.queues.consume_from)
    own = OwnQueue(app)
    own.consume()
    loop = LoopThread(opener(settings, queues, own))
    try:
        loop.start()
    except Exception as error:  # Celery would swallow it, and the worker would run on and send nothing
        raise SystemExit(f"the worker cannot start: {error}") from error
    _loops.append(loop)


@worker_shutting_down.connect
def stop_claiming(**_: object) -> None:
    """Claim no more messages; the warm shutdown waits for the open calls, which end within their time-out."""
    if _loops:
        _loop().call(_loop().parts.worker.close)


@worker_shutdown.connect
def stop_loop(**_: object) -> None:
    """Write the remaining outcomes, and end the loop."""
    if _loops:
        _loop().stop(_STOP)
