"""What the doors work with while the front is open, and how a route asks for it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import Depends, Request

from dispatcher.bootstrap import open_context, open_teller
from dispatcher.domain.errors import Unavailable
from dispatcher.service.callbacks import ArrivalWording, Wording
from dispatcher.service.context import Context
from dispatcher.service.health import require_migrated
from dispatcher.service.receipts import Matcher
from dispatcher.service.refusals import Refusals
from dispatcher.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Runtime:
    """The context, the matcher of the receipts that come in here, and the count of those refused."""

    ctx: Context
    matcher: Matcher
    refusals: Refusals


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    context: Context | None = None,
    *,
    wordings: Mapping[str, Wording],
    arrivals: Mapping[str, ArrivalWording],
) -> AsyncIterator[Runtime]:
    """
    Open everything once, in the running loop; a `context` given stays its
    owner's, who also tells the producers.

    Raises Misconfigured when the database is behind the newest migration.
    While Postgres is away nobody can tell: requests get 503 until it is back.
    """
    async with AsyncExitStack() as stack:
        opened = open_context(settings, name="api") if context is None else nullcontext(context)
        ctx = await stack.enter_async_context(opened)
        try:
            await require_migrated(ctx)
        except Unavailable as error:
            log.warning("api_opened_without_postgres", error=str(error))
        matcher = Matcher(ctx)
        matching = asyncio.create_task(matcher.run())
        matching.add_done_callback(_report)
        stack.push_async_callback(_cancel, matching)
        if context is None:
            await _tell_producers(stack, ctx, wordings, arrivals)
        yield Runtime(ctx, matcher, Refusals())


async def _tell_producers(
    stack: AsyncExitStack,
    ctx: Context,
    wordings: Mapping[str, Wording],
    arrivals: Mapping[str, ArrivalWording],
) -> None:
    teller, poster = open_teller(ctx, wordings, arrivals)
    stack.push_async_callback(poster.close)
    telling = asyncio.create_task(teller.run())
    telling.add_done_callback(_report)
    stack.push_async_callback(_cancel, telling)


def runtime(request: Request) -> Runtime:
    """Give the runtime that the front put beside the request."""
    opened = request.state.runtime
    assert isinstance(opened, Runtime)
    return opened


async def _ctx(request: Request) -> Context:
    return runtime(request).ctx


Ctx = Annotated[Context, Depends(_ctx)]


def _report(task: "asyncio.Task[None]") -> None:
    """Say that a bug ended the matcher or the teller; what they leave is found by others, only later."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("background_task_died", exc_info=error)


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task
