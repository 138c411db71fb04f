"""The background tasks of a context while it is open."""

import asyncio
from typing import cast

from dispatcher.bootstrap import open_context
from dispatcher.domain.routing.route import RoutePlan
from dispatcher.domain.routing.route_table import RouteRequest
from dispatcher.service.context import Context
from dispatcher.settings import Settings
from dispatcher.store.routing import route_tables


async def _failures(ctx: Context) -> list[tuple[str, int]]:
    return [(failure.task, failure.count) for failure in await ctx.background.failures.recent() or ()]


def test_routes_are_followed_after_an_unexpected_error(settings: Settings) -> None:
    async def story() -> None:
        async with asyncio.timeout(30), open_context(settings, name="test") as ctx:
            ctx.routes.plans = cast("dict[RouteRequest, RoutePlan]", None)  # makes the next refresh fail
            await ctx.database.single(lambda c: route_tables.insert(c, {}, set_by="test"))
            while not await _failures(ctx):  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.05)
            ctx.routes.plans = {}
            await ctx.database.single(lambda c: route_tables.insert(c, {}, set_by="test"))
            while ctx.routes.version != 2:  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.05)
            assert await _failures(ctx) == [("routes", 1)]

    asyncio.run(story())


def test_time_and_routes_are_followed_by_tasks_that_are_restarted(settings: Settings) -> None:
    async def story() -> None:
        async with open_context(settings, name="test"):
            assert {"time", "routes", "failures"} <= {task.get_name() for task in asyncio.all_tasks()}

    asyncio.run(story())
