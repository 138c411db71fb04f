"""The one Celery configuration. The tasks are defined in `workers`; here are only their names."""

from collections.abc import Mapping

from celery import Celery
from kombu.entity import Queue
from redis.connection import parse_url

from dispatcher.domain.tier import Tier
from dispatcher.lanes.broker_connection import PromptAMQP
from dispatcher.lanes.redis_url import read_sentinel_url

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

POSTED_AT = "posted_at"
"""The header of a lane task with the time of Postgres, in seconds, at which it was published."""

# A worker with a half-open connection reconnects after 1 s (BRPOP) + 2 * health_check_interval, whatever else
# uses one after socket_timeout. There is no retry_on_timeout: redis-py would repeat the read of a connection
# that waits for Flower's commands, without a deadline, in the thread that receives tasks.
# A redelivery after visibility_timeout would only make copies: the clock recovers lost messages.
_TRANSPORT: Mapping[str, object] = {
    "visibility_timeout": 3600,
    "socket_timeout": 1,
    "socket_connect_timeout": 1,
    "socket_keepalive": True,
    "health_check_interval": 1,
    # Without Redis a publisher gives up at once (kombu's default is 6 s).
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
    sentinels = read_sentinel_url(redis_url)
    broker_url, transport = redis_url, dict(_TRANSPORT)
    if sentinels is not None:
        broker_url = sentinels.broker_url()
        transport |= {"master_name": sentinels.master_name, "sentinel_kwargs": sentinels.sentinel_options()}
    celery = Celery("sms-dispatcher", broker=broker_url, set_as_current=False, amqp=PromptAMQP)
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
        broker_transport_options=transport,
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
