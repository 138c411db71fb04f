"""The one Celery configuration. The tasks are defined in `workers`; here are only their names."""

from collections.abc import Mapping

from celery import Celery
from kombu.entity import Queue
from redis.connection import parse_url

from dispatcher.domain.tier import Tier

CLOCK = "clock"
SYSTEM = "system"
QUEUES = (*(tier.value for tier in Tier), CLOCK, SYSTEM)

DELIVER: Mapping[Tier, str] = {tier: f"deliver_{tier}" for tier in Tier}
"""The name of each tier's lane task, as Flower shows it."""

DELIVER_ANY = "deliver"
"""The name that the tasks of all lanes had before; during an upgrade such tasks are still in the lanes."""

PROBE = "probe"

OWN_PROBE = "own_probe"
"""The probe that a worker sends to itself alone."""

# Without the time-outs, a worker with a half-open connection would never receive a task again.
# A redelivery after visibility_timeout would only make copies: the clock recovers lost messages.
_TRANSPORT = {
    "visibility_timeout": 3600,
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
    # Without Redis a publisher gives up at once (kombu's default is 6 s) and leaves its ids to the clock.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
}


def broker_tls(redis_url: str) -> Mapping[str, object] | None:
    """
    Return the TLS options in a `rediss://` URL, such as a private CA; None for another URL.

    Celery itself reads them from the URL. Flower's page of the broker does not.
    """
    if not redis_url.startswith("rediss://"):
        return None
    options = parse_url(redis_url)
    return {"ssl_cert_reqs": "required"} | {
        name: value for name, value in options.items() if name.startswith("ssl_")
    }


def make_celery(redis_url: str) -> Celery:
    """Return a Celery application for this broker; it does not connect yet."""
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
        broker_use_ssl=broker_tls(redis_url),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # Most processes open one or two of these. Each of Flower's eight inspecting threads holds one
        # while it waits for a second one for the answer: with a small pool they would wait for ever.
        broker_pool_limit=20,
        timezone="UTC",
        enable_utc=True,
    )
    return celery
