"""Celery's connections to Redis: they come back soon, and keep nobody waiting while it is away."""

from typing import Any

from celery.app.amqp import AMQP
from kombu.connection import Connection

_RECONNECT = {"interval_start": 0, "interval_step": 1, "interval_max": 1}


class BrokerConnection(Connection):
    """Connects again at once, and then each second; kombu's pauses grow to half a minute."""

    def _ensure_connection(self, *args: Any, **options: Any) -> Any:
        return super()._ensure_connection(*args, **{**_RECONNECT, **options})

    def ensure(self, obj: Any, fun: Any, *args: Any, **options: Any) -> Any:
        """
        Return `fun` without retries, unless their number is given.

        A worker announces itself to Flower from the thread that also receives
        tasks, and kombu would keep it there until Redis is back.
        """
        return super().ensure(obj, fun, *args, **{"max_retries": 0, **options})

    def collect(self, socket_timeout: Any = None) -> None:
        """
        Let go of a connection that was lost, without putting its unfinished tasks back.

        The clock offers them again. kombu would try to when Celery closes the
        connection afterwards; without Redis that fails, and ends the worker.
        """
        if self._default_channel is not None:
            self._default_channel.do_restore = False
        super().collect(socket_timeout)


class PromptAMQP(AMQP):  # type: ignore[misc] # Celery has no types
    """Celery's way of making connections, with ours."""

    Connection = BrokerConnection
