"""The one Celery configuration. The tasks live in `workers`; here they are only names."""

from celery import Celery
from kombu.entity import Queue

from dispatcher.domain.tier import Tier

CLOCK = "clock"
SYSTEM = "system"
QUEUES = (*(tier.value for tier in Tier), CLOCK, SYSTEM)

DELIVER = "deliver"
PROBE = "probe"

# Without the time-outs a half-open connection leaves a worker deaf for good. A redelivery after
# visibility_timeout would only make copies: recovery is the clock's.
_TRANSPORT = {
    "visibility_timeout": 3600,
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
    # A publisher without Redis gives up at once (kombu's own way is 6 s) and leaves its ids to the clock.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
}


def make_celery(redis_url: str) -> Celery:
    """Return a Celery application for this broker; nothing is connected yet."""
    celery = Celery("sms-dispatcher", broker=redis_url, set_as_current=False)
    celery.conf.update(
        task_queues=[Queue(name, routing_key=name) for name in QUEUES],
        task_default_queue=SYSTEM,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=True,
        task_ignore_result=True,
        task_publish_retry=False,
        task_store_errors_even_if_ignored=False,
        worker_prefetch_multiplier=1,
        worker_send_task_events=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_pool="threads",
        broker_transport_options=_TRANSPORT,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # Most processes open one or two of these. Flower's eight inspecting threads hold one each while
        # they wait for a second one to answer with: with a small pool they wait for ever.
        broker_pool_limit=20,
        timezone="UTC",
        enable_utc=True,
    )
    return celery
