"""Following a campaign ends with a run that was not over before."""

from datetime import timedelta

from dispatcher.domain.campaigns.campaign import CampaignPlan, RunState
from dispatcher.service.campaigns import campaigns
from dispatcher.service.campaigns.follow import follow
from dispatcher.service.campaigns.launch import launch
from tests.audience import audience
from tests.world import World

HOUR = timedelta(hours=1)


async def hourly(world: World) -> str:
    """Start an hourly campaign for two recipients at half past, and return its id."""
    past = world.time.now() - world.time.now().replace(minute=0, second=0, microsecond=0)
    world.time.advance((HOUR / 2 - past) % HOUR)
    plan = CampaignPlan(name="hourly", text="Hello", audience_id=await audience(world, 2), cron="0 * * * *")
    made = await campaigns.create(world.ctx, world.caller.account, plan)
    await campaigns.start(world.ctx, world.caller.account, str(made.public_id))
    return str(made.public_id)


async def send_all(world: World) -> None:
    await launch(world.ctx)
    while await world.clock.release() + await world.clock.fill() or world.lanes.published:
        await world.deliver()
    await launch(world.ctx)


def test_a_run_that_was_over_before_is_not_followed(world: World) -> None:
    async def story() -> None:
        campaign = await hourly(world)
        world.time.advance(HOUR)
        await send_all(world)
        reports = follow(world.ctx, world.caller.account, campaign, every=timedelta())
        first = await anext(reports)
        assert first.runs[0].run.state is RunState.FINISHED
        assert (await anext(reports)).runs[0].run.id == first.runs[0].run.id
        world.time.advance(HOUR)
        await launch(world.ctx)
        assert (await anext(reports)).runs[0].run.state is RunState.SENDING
        await send_all(world)
        [last] = [report async for report in reports]
        assert last.runs[0].run.state is RunState.FINISHED
        assert last.runs[0].run.id != first.runs[0].run.id

    world.run(story)


def test_following_ends_when_the_campaign_is_cancelled_before_its_run(world: World) -> None:
    async def story() -> None:
        campaign = await hourly(world)
        reports = follow(world.ctx, world.caller.account, campaign, every=timedelta())
        assert list((await anext(reports)).runs) == []
        await campaigns.cancel(world.ctx, world.caller.account, campaign)
        assert [report.campaign.state async for report in reports] == ["cancelled"]

    world.run(story)
