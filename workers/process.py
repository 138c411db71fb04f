"""The objects of a worker process, opened once in its loop."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from dispatcher.bootstrap import CLOCK, open_context, open_wake_listener, tune_garbage_collection
from dispatcher.domain.tier import Tier
from dispatcher.service.clock.sweeps import Clock
from dispatcher.service.clock.timer import run_timer
from dispatcher.service.context import Context
from dispatcher.service.delivery.worker import Worker
from dispatcher.service.health.readiness import require_migrated
from dispatcher.service.receipts.ingest import ReceiptMatcher, listen
from dispatcher.service.receipts.polling import Poller
from dispatcher.settings import Settings
from workers.own_queue import OwnQueue

_FLUSH = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class ProcessParts:
    """The objects that the tasks of this process use."""

    ctx: Context
    worker: Worker
    clock: Clock
    poller: Poller
    own_queue: OwnQueue


def opener(
    settings: Settings, queues: frozenset[str], own: OwnQueue
) -> Callable[[AsyncExitStack], Awaitable[ProcessParts]]:
    """Return a function that opens the parts of a process that consumes these queues."""

    async def open_parts(stack: AsyncExitStack) -> ProcessParts:
        name = "+".join(sorted(queues))
        context = open_context(settings, name=f"worker {name}", queues=queues, consumed=lambda: own.consumed)
        ctx = await stack.enter_async_context(context)
        await require_migrated(ctx)
        await ctx.provider_health.refresh()  # from the first message on, none goes to a paused provider
        worker, clock = Worker(ctx), Clock(ctx)
        writing = asyncio.create_task(worker.recorder.run())
        writing.add_done_callback(_crash)
        ctx.background.start("loop", worker.loop_lag.watch)
        ctx.background.start("probe", partial(own.keep_probing, ctx))
        stack.push_async_callback(_flush, worker, writing)
        if queues & set(Tier):
            _listen(stack, ctx)
        if CLOCK in queues:
            _start_timer(stack, ctx, clock, settings)
        tune_garbage_collection()
        return ProcessParts(ctx, worker, clock, Poller(ctx), own)

    return open_parts


def _listen(stack: AsyncExitStack, ctx: Context) -> None:
    """Accept receipts over the connections on which messages are sent, and match them."""
    matcher = ReceiptMatcher(ctx)
    if listen(ctx, matcher):
        matching = asyncio.create_task(matcher.run())
        matching.add_done_callback(_crash)
        stack.push_async_callback(_cancel, matching)


def _start_timer(stack: AsyncExitStack, ctx: Context, clock: Clock, settings: Settings) -> None:
    wake_listener = open_wake_listener(settings)
    stack.push_async_callback(wake_listener.close)
    timer = ctx.background.start("timer", partial(run_timer, ctx, clock, wake_listener))
    stack.push_async_callback(_cancel, timer)


async def _flush(worker: Worker, writing: "asyncio.Task[None]") -> None:
    """Wait for open calls and write their outcomes; those not written in time are in doubt."""
    await worker.idle()
    writing.remove_done_callback(_crash)
    worker.recorder.stop()
    with suppress(TimeoutError):
        await asyncio.wait_for(writing, _FLUSH.total_seconds())


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.remove_done_callback(_crash)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _crash(task: "asyncio.Task[None]") -> None:
    """End the loop, and with it the process: a task that must run until the end has ended, by a bug."""
    error = None if task.cancelled() else task.exception()
    # Only the error's name: logs remove the rows that Postgres quotes from a traceback, but not from a repr.
    raise SystemExit(
        f"a task of the worker ended: {type(error).__name__ if error else 'no error'}"
    ) from error
