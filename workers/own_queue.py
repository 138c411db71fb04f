"""The queue of one worker process alone: whether it consumes its own probes, not only its colleagues'."""

import asyncio
import os
import socket
from contextlib import suppress
from datetime import datetime, timedelta

from celery import Celery
from kombu.entity import Queue
from kombu.exceptions import OperationalError

from dispatcher.bootstrap import OWN_PROBE
from dispatcher.service.context import Context

_INTERVAL = timedelta(seconds=5)


class OwnQueue:
    """
    A queue that only this process consumes, beside its lane, and in which it puts probes for itself.

    The probes of a lane show that some worker consumes it. Of two workers one
    could hang unseen; what a process takes out of its own queue shows that it
    consumes. `consumed` is when it last did, None if never.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self.name = f"probe.{socket.gethostname()}.{os.getpid()}"
        self.consumed: datetime | None = None

    def consume(self) -> None:
        """Have Celery consume it; it has no exchange, so that Redis keeps nothing of it after the process."""
        self._app.amqp.queues.consume_from[self.name] = Queue(self.name, routing_key=self.name)

    async def keep_probing(self, ctx: Context) -> None:
        """Put a probe into it every five seconds, unless the last one still waits there."""
        while True:
            if await ctx.heartbeats.is_empty(self.name):
                with suppress(OperationalError, OSError):  # without Redis the next one counts
                    await asyncio.to_thread(self._probe)
                await ctx.heartbeats.forget_later(self.name)
            await asyncio.sleep(_INTERVAL.total_seconds())

    def _probe(self) -> None:
        # Without `expires`: that would compare the wall clocks of machines.
        self._app.send_task(OWN_PROBE, queue=Queue(self.name, routing_key=self.name), retry=False)
