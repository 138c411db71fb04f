"""The parts that handlers need while the API is open, and how a handler gets them from its request."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass

import structlog
from starlette.requests import Request

from dispatcher.api.limits.logins import Logins
from dispatcher.bootstrap import open_callback_sender, open_context
from dispatcher.domain.errors import Unavailable
from dispatcher.service.accounts.known_secrets import KnownSecrets
from dispatcher.service.callbacks.sender import EventFormatter, InboundFormatter
from dispatcher.service.context import Context
from dispatcher.service.health.readiness import require_migrated
from dispatcher.service.receipts.ingest import ReceiptMatcher
from dispatcher.service.receipts.refused import RefusedReceipts
from dispatcher.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Runtime:
    """The context, the matcher of receipts, the counter of refused ones, and what is known of logins."""

    ctx: Context
    matcher: ReceiptMatcher
    refusals: RefusedReceipts
    logins: Logins
    secrets: KnownSecrets


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    context: Context | None = None,
    *,
    event_formatters: Mapping[str, EventFormatter],
    inbound_formatters: Mapping[str, InboundFormatter],
) -> AsyncIterator[Runtime]:
    """
    Open the runtime, in the running loop, for as long as the block lasts.

    A `context` that is passed in stays open afterwards, and its owner also sends
    the callbacks. Raises Misconfigured if the database is behind the newest
    migration. This cannot be checked while Postgres is away: then the API opens, and
    requests get 503 until Postgres is back.
    """
    async with AsyncExitStack() as stack:
        opened = open_context(settings, name="api") if context is None else nullcontext(context)
        ctx = await stack.enter_async_context(opened)
        try:
            await require_migrated(ctx)
        except Unavailable as error:
            log.warning("api_opened_without_postgres", error=str(error))
        matcher = ReceiptMatcher(ctx)
        _start(stack, ctx, "receipts", matcher.run)
        if context is None:
            sender, transport = open_callback_sender(ctx, event_formatters, inbound_formatters)
            stack.push_async_callback(transport.close)
            _start(stack, ctx, "callbacks", sender.run)
        yield Runtime(ctx, matcher, RefusedReceipts(), Logins(), KnownSecrets())


def runtime(request: Request) -> Runtime:
    """Return the runtime that the router attached to the request."""
    opened = request.state.runtime
    assert isinstance(opened, Runtime)
    return opened


def context_of(request: Request) -> Context:
    """Return the context of the use cases."""
    return runtime(request).ctx


def _start(stack: AsyncExitStack, ctx: Context, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Start a background task that is cancelled with the stack, before what it uses is closed."""
    stack.push_async_callback(_cancel, ctx.background.start(name, work))


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task
