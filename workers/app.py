"""The Celery application: `celery -A workers.app`. Its settings are the dispatcher's."""

from typing import Any

from celery.concurrency import get_implementation
from celery.concurrency.thread import TaskPool
from celery.signals import setup_logging, worker_init, worker_shutdown, worker_shutting_down

from dispatcher.bootstrap import celery_app, configure_logging
from dispatcher.settings import load_settings
from workers.loop import LoopThread
from workers.process import ProcessParts, opener
from workers.schedule import beat_schedule
from workers.tasks import add_tasks

_STOP = 150.0  # twice the longest call_timeout that can be set, and the time to write outcomes

settings = load_settings()
app = celery_app(settings)
app.conf.beat_schedule = beat_schedule()

_loops: list[LoopThread[ProcessParts]] = []


def _loop() -> LoopThread[ProcessParts]:
    return _loops[0]


add_tasks(app, _loop)


@setup_logging.connect
def configure_logs(**_: object) -> None:
    """Write Celery's lines as ours; that somebody listens keeps Celery from setting up its own."""
    configure_logging(settings)


@worker_init.connect
def start_loop(sender: Any = None, **_: object) -> None:
    """Start the loop before the first task; refuse a pool in which tasks would not share it."""
    if not issubclass(get_implementation(sender.pool_cls), TaskPool):
        raise SystemExit("workers run on Celery's threads pool only: --pool threads")
    queues = frozenset(str(name) for name in app.amqp.queues.consume_from)
    loop = LoopThread(opener(settings, queues))
    try:
        loop.start()
    except Exception as error:  # Celery would swallow it, and the worker live on and send nothing
        raise SystemExit(f"the worker cannot start: {error}") from error
    _loops.append(loop)


@worker_shutting_down.connect
def stop_claiming(**_: object) -> None:
    """Claim nothing more; open calls end within their time-out, then the warm shutdown ends."""
    if _loops:
        _loop().call(_loop().parts.worker.close)


@worker_shutdown.connect
def stop_loop(**_: object) -> None:
    """Write the outcomes that are left, and end the loop."""
    if _loops:
        _loop().stop(_STOP)
