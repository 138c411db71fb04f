"""A cancelled campaign: each of its messages is sent or withdrawn, and the result counts them."""

import asyncio
from datetime import timedelta

from dispatcher.domain.delivery.provider import Accepted, Deferred, Outcome, Outgoing
from dispatcher.domain.messages.status import Status
from dispatcher.service.campaigns import campaigns
from dispatcher.service.campaigns.launch import launch
from tests.campaign import bound, started
from tests.world import World


def test_cancelling_withdraws_all_messages_not_sent_and_counts_the_others(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, count=2100, cron="* * * * *")
        world.time.advance(timedelta(minutes=1))
        while await launch(world.ctx):
            pass
        await world.clock.fill()
        await world.deliver(world.lanes.take()[:40])
        held = await world.one("SELECT id FROM messages WHERE place = 'lane' LIMIT 1")
        await world.claim(held.id)
        ended = await bound(world, campaign, campaigns.cancel)
        assert (ended.campaign.state, ended.campaign.next_due) == ("cancelled", None)
        total = (await world.one("SELECT count(*) AS n FROM messages")).n
        assert ended.too_late == 41
        assert ended.withdrawn == total - 41
        assert await world.balance() == 10_000 - 41
        assert await launch(world.ctx) == 0
        assert len(await world.all("SELECT 1 FROM messages WHERE place IS NOT NULL")) == 1

    world.run(story)


def test_a_message_that_a_worker_returns_after_the_cancellation_is_withdrawn_too(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, count=1)
        await launch(world.ctx)

        async def cancelled_meanwhile(_: Outgoing) -> Outcome:
            ended = await bound(world, campaign, campaigns.cancel)
            assert (ended.withdrawn, ended.too_late) == (0, 1)
            return Deferred("later", after=None)

        world.sim.answer = cancelled_meanwhile
        await world.deliver()
        assert (await world.row(1)).status == Status.PENDING
        await launch(world.ctx)
        assert (await world.row(1)).status == Status.WITHDRAWN
        assert (await world.one("SELECT state FROM runs")).state == "cancelled"
        assert await world.balance() == 10_000

    world.run(story)


def test_while_workers_send_each_message_is_sent_or_withdrawn(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, count=400)
        await launch(world.ctx)
        ids = world.lanes.take()

        async def slow(outgoing: Outgoing) -> Outcome:
            await asyncio.sleep(0.001)
            return Accepted((f"ref-{outgoing.reference}",))

        world.sim.answer = slow
        _, ended = await asyncio.gather(world.deliver(ids), bound(world, campaign, campaigns.cancel))
        await launch(world.ctx)
        counts = {
            row.status: row.n
            for row in await world.all("SELECT status, count(*) AS n FROM messages GROUP BY 1")
        }
        sent = counts.get(12, 0)
        assert sent == len(world.sim.seen)
        assert sent + counts.get(90, 0) == 400
        assert ended.withdrawn + ended.too_late == 400
        assert await world.balance() == 10_000 - sent

    world.run(story)
