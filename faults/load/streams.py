"""The load: streams of messages in four dialects, with windows, edits, cancellations and a campaign."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

from faults.journal import Journal
from faults.load import campaigns, emess, managed, scheduler, smsgate
from faults.load.client import CarefulClient
from faults.load.receiver import Receiver
from faults.load.source import Source
from faults.rig import Rig

_PER_SECOND = 4  # recipients of the campaign
_PAUSED_EVERY = 20.0  # seconds
_PATIENCE = 60.0  # seconds after the load, in which clients still wait for answers


Send = Callable[[int], Coroutine[Any, Any, None]]
"""Sends the message or the batch with this number."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """How long the load lasts, and how heavy it is; 1 is some thirty messages a second."""

    seconds: float
    weight: float = 1.0


async def run_load(rig: Rig, journal: Journal, receiver: Receiver, *, plan: LoadPlan, seed: int) -> None:
    """Send for the time of the plan; return when all clients have their answers, or have given up."""
    end = time.time() + plan.seconds
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=rig.api_url, trust_env=False, limits=limits) as http:
        client = CarefulClient(http, journal, rng=random.Random(f"{seed} drops"), end=end + _PATIENCE)
        source = Source(client, credentials=rig.credentials, callback_url=receiver.url, seed=seed)
        await smsgate.register(source)
        token = await emess.log_in(source)
        campaign = await campaigns.start(
            source, recipients=int(plan.seconds * plan.weight * _PER_SECOND), seconds=plan.seconds * 0.8
        )
        streams: Sequence[tuple[float, Send]] = (
            (0.25, lambda n: emess.send(source, n, token=token)),
            (2.0 / plan.weight, lambda n: scheduler.send(source, n)),
            (0.5 / plan.weight, lambda n: smsgate.send(source, n)),
            (0.5 / plan.weight, lambda n: managed.send(source, n)),
            (_PAUSED_EVERY, lambda _: campaigns.pause_and_resume(source, campaign)),
        )
        async with asyncio.TaskGroup() as group:
            for interval, send in streams:
                group.create_task(_repeat(interval, send, end=end))


async def _repeat(interval: float, send: Send, *, end: float) -> None:
    """Start `send` at a steady rate, whether the earlier ones have been answered or not."""
    begin = time.time()
    async with asyncio.TaskGroup() as group:
        for number in count():
            at = begin + number * interval
            if at >= end:
                return
            await asyncio.sleep(max(0.0, at - time.time()))
            group.create_task(send(number))
