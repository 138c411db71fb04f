"""Helpers for tests of campaigns: draft, start and send them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from dispatcher.domain.campaigns.campaign import CampaignPlan
from dispatcher.domain.errors import InvalidPlan
from dispatcher.service.campaigns import campaigns
from dispatcher.service.campaigns.campaigns import CampaignRow
from dispatcher.service.campaigns.launch import launch
from tests.audience import audience
from tests.world import World


async def draft(world: World, **more: Any) -> CampaignRow:
    if "audience_id" not in more:
        more["audience_id"] = await audience(world, more.pop("count", 3))
    if "cron" not in more:
        more.setdefault("at", world.time.now())
    plan = CampaignPlan(**{"name": "spring", "text": "Hello", **more})
    return await campaigns.create(world.ctx, world.caller.account, plan)


async def started(world: World, **more: Any) -> CampaignRow:
    made = await draft(world, **more)
    return await campaigns.start(world.ctx, world.caller.account, str(made.public_id))


def bound(world: World, campaign: CampaignRow, use_case: Callable[..., Any]) -> Any:
    return use_case(world.ctx, world.caller.account, str(campaign.public_id))


async def faults(world: World, **more: Any) -> dict[str, str]:
    with pytest.raises(InvalidPlan) as caught:
        await draft(world, **more)
    return {fault.field: fault.sentence for fault in caught.value.faults}


async def send_all(world: World) -> None:
    while await world.clock.release() + await world.clock.fill() or world.lanes.published:
        await world.deliver()


async def launch_and_send_all(world: World) -> None:
    """Do the work of the system worker, the clock and a bulk worker until none is left."""
    while await launch(world.ctx):
        await send_all(world)
    await launch(world.ctx)


def run_what_is_due(world: World) -> None:
    """Open the dispatcher at the present time, and do its work until none is left."""
    world.time.at = datetime.now(UTC)
    world.run_without_account(lambda: launch_and_send_all(world))
