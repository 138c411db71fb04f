"""What the handlers work with while the API is open, and how a handler gets it from its request."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass

import structlog
from starlette.requests import Request

from dispatcher.bootstrap import open_callback_sender, open_context
from dispatcher.domain.errors import Unavailable
from dispatcher.service.callbacks.sender import EventFormatter, InboundFormatter
from dispatcher.service.context import Context
from dispatcher.service.health import require_migrated
from dispatcher.service.receipts.ingest import ReceiptMatcher
from dispatcher.service.receipts.refused import RefusedReceipts
from dispatcher.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Runtime:
    """The context, the matcher of the receipts that arrive here, and the count of those refused."""

    ctx: Context
    matcher: ReceiptMatcher
    refusals: RefusedReceipts


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    context: Context | None = None,
    *,
    event_formatters: Mapping[str, EventFormatter],
    inbound_formatters: Mapping[str, InboundFormatter],
) -> AsyncIterator[Runtime]:
    """
    Open everything once, in the running loop, for as long as the block lasts.

    A `context` that is given stays open afterwards, and whoever opened it also
    sends the callbacks. Raises Misconfigured when the database is behind the
    newest migration. That is not known while Postgres is away: then the API opens,
    and requests get 503 until it is back.
    """
    async with AsyncExitStack() as stack:
        opened = open_context(settings, name="api") if context is None else nullcontext(context)
        ctx = await stack.enter_async_context(opened)
        try:
            await require_migrated(ctx)
        except Unavailable as error:
            log.warning("api_opened_without_postgres", error=str(error))
        matcher = ReceiptMatcher(ctx)
        _run_in_background(stack, matcher.run())
        if context is None:
            teller, poster = open_callback_sender(ctx, event_formatters, inbound_formatters)
            stack.push_async_callback(poster.close)
            _run_in_background(stack, teller.run())
        yield Runtime(ctx, matcher, RefusedReceipts())


def runtime(request: Request) -> Runtime:
    """Return the runtime that the router attached to the request."""
    opened = request.state.runtime
    assert isinstance(opened, Runtime)
    return opened


def context_of(request: Request) -> Context:
    """Return the context of the use cases."""
    return runtime(request).ctx


def _run_in_background(stack: AsyncExitStack, running: Coroutine[object, object, None]) -> None:
    """Start a task that ends with the stack; what ends it before is logged."""
    task = asyncio.create_task(running)
    task.add_done_callback(_report)
    stack.push_async_callback(_cancel, task)


def _report(task: "asyncio.Task[None]") -> None:
    """Log that a task ended by itself: its work is done by other processes, only later."""
    if not task.cancelled():
        log.error("background_task_died", exc_info=task.exception())


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task
