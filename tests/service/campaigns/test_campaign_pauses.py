"""A pause stops a campaign, and the windows of waiting messages move by its length."""

from datetime import timedelta

import pytest

from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.errors import Conflict
from dispatcher.domain.messages.waits import WaitKind
from dispatcher.service.campaigns import campaigns
from dispatcher.service.campaigns.launch import launch
from dispatcher.service.messages import explain, search
from dispatcher.store.delivery import claims
from dispatcher.store.delivery.claims import HeldMessage
from tests.campaign import bound, send_all, started
from tests.world import World

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def test_a_pause_stops_ready_messages_and_those_in_their_lane(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, count=20)
        waiting = await started(world, count=800, name="large")
        await launch(world.ctx)
        for one in (campaign, waiting):
            await bound(world, one, campaigns.pause)
        await send_all(world)
        assert world.sim.seen == []
        assert {row.place for row in await world.all("SELECT place FROM messages")} == {"ready"}
        assert await launch(world.ctx) == 0
        other = await world.submit()
        await send_all(world)
        assert [o.reference for o in world.sim.seen] == [str(other.messages[0].public_id)]

    world.run(story)


def test_a_pause_stops_messages_that_a_worker_has_read_and_not_claimed(world: World) -> None:
    world.configs["sim"] = ProviderConfig("sim", "test", {}, tps=40, takes=Traffic.BOTH)

    async def story() -> None:
        campaign = await started(world, count=60)
        await launch(world.ctx)
        await world.clock.release()
        await world.clock.fill()
        async with world.worker() as worker:
            await worker.deliver(world.lanes.take())
            assert await world.all("SELECT 1 FROM messages WHERE place = 'lane'")
            await bound(world, campaign, campaigns.pause)
            sent = len(world.sim.seen)
        assert 0 < len(world.sim.seen) <= sent + 1  # one may have been on its way
        assert {row.place for row in await world.all("SELECT place FROM messages")} == {"ready", None}

    world.run(story)


def test_the_explanation_of_a_message_says_that_its_campaign_is_paused(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, count=1)
        await launch(world.ctx)
        await bound(world, campaign, campaigns.pause)
        history = await search.history(world.ctx, 1)
        said = explain.explain(history, now=world.time.now(), consumed={})
        assert (
            "Its campaign is paused: it goes on when that is resumed, and its window moves by the pause."
            in said
        )

    world.run(story)


def test_a_message_that_is_released_in_a_pause_waited_for_its_campaign_since_then(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, count=1)
        await launch(world.ctx)
        await world.clock.release()
        await world.clock.fill()
        now = world.time.now()
        held = HeldMessage(1, now + 10 * SECOND, WaitKind.TOKEN, "sim", now)
        await world.ctx.database.single(lambda c: claims.hold(c, [held]))
        world.time.advance(5 * SECOND)
        await bound(world, campaign, campaigns.pause)
        world.time.advance(5 * SECOND)
        await world.clock.release()
        world.time.advance(HOUR)
        await bound(world, campaign, campaigns.resume)
        await launch(world.ctx)
        found = (await search.history(world.ctx, 1)).waits
        assert [wait.kind for wait in found] == [WaitKind.TOKEN, WaitKind.CAMPAIGN]
        assert [w.until - w.since for w in found if w.until] == [10 * SECOND, HOUR]

    world.run(story)


def test_a_message_that_was_due_in_a_pause_waited_for_its_campaign(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, count=1)
        await launch(world.ctx)
        world.time.advance(3 * SECOND)
        await bound(world, campaign, campaigns.pause)
        world.time.advance(HOUR)
        await bound(world, campaign, campaigns.resume)
        await launch(world.ctx)
        world.time.advance(2 * SECOND)
        await send_all(world)
        history = await search.history(world.ctx, 1)
        waits = [(w.kind, w.until - w.since) for w in history.waits if w.until]
        assert waits[1] == (WaitKind.CAMPAIGN, HOUR)
        assert [length for _, length in waits] == [3 * SECOND, HOUR, 2 * SECOND]
        said = " ".join(explain.explain(history, now=world.time.now(), consumed={}))
        assert "1 h: its campaign was paused" in said

    world.run(story)


def test_no_message_expires_in_a_pause_longer_than_its_validity_and_windows_move_by_it(world: World) -> None:
    async def story() -> None:
        start = world.time.now()
        campaign = await started(world, count=60, spread=HOUR, validity=2 * HOUR)
        await launch(world.ctx)
        world.time.advance(90 * SECOND)
        await send_all(world)
        assert len(world.sim.seen) == 2
        await bound(world, campaign, campaigns.pause)
        world.time.advance(DAY)
        await world.clock.release()
        assert await world.clock.fill() == 0
        assert await world.clock.expire() == 0
        await bound(world, campaign, campaigns.resume)
        await launch(world.ctx)
        rows = await world.all("SELECT * FROM messages ORDER BY id")
        assert [row.not_before - start for row in rows] == [
            timedelta(minutes=n) + (DAY if n > 1 else timedelta()) for n in range(len(rows))
        ]
        assert {row.not_after - row.not_before for row in rows} == {2 * HOUR}
        for minute in range(2, 60):
            world.time.at = start + DAY + timedelta(minutes=minute) - TICK
            await launch(world.ctx)
            await send_all(world)
            assert len(world.sim.seen) == minute
        world.time.advance(TICK)
        await send_all(world)
        assert len({o.to for o in world.sim.seen}) == 60

    world.run(story)


def test_the_timer_does_not_spin_on_messages_of_a_paused_campaign(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, count=1, validity=HOUR, at=world.time.now() + SECOND)
        await launch(world.ctx)
        await bound(world, campaign, campaigns.pause)
        world.time.advance(DAY)
        assert await world.clock.release() + await world.clock.expire() == 0
        assert await world.clock.next_wake() is None

    world.run(story)


def test_a_resumed_run_continues_only_when_all_its_windows_have_moved_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.service.campaigns.launch._BATCH", 100)

    async def story() -> None:
        campaign = await started(world, count=600)
        await launch(world.ctx)
        monkeypatch.setattr("dispatcher.service.campaigns.launch._TICK", 0.0)
        await bound(world, campaign, campaigns.pause)
        world.time.advance(HOUR)
        await bound(world, campaign, campaigns.resume)
        for moved in range(100, 700, 100):
            await launch(world.ctx)
            shifted = await world.one("SELECT shifted, shift FROM runs")
            assert (shifted.shifted, shifted.shift) == (moved, HOUR)
            assert await world.clock.fill() == 0
        await bound(world, campaign, campaigns.pause)
        with pytest.raises(Conflict, match="try again in a moment"):
            await bound(world, campaign, campaigns.resume)
        await launch(world.ctx)
        assert await world.clock.fill() == 0
        await bound(world, campaign, campaigns.resume)
        for _ in range(7):
            await launch(world.ctx)
        run = await world.one("SELECT starts_at, pauses FROM runs")
        assert len(run.pauses) == 4
        starts = {row.not_before for row in await world.all("SELECT not_before FROM messages")}
        assert starts == {run.starts_at + HOUR}
        assert await world.clock.fill() > 0

    world.run(story)


def test_a_pause_that_ends_before_the_run_starts_moves_nothing(world: World) -> None:
    async def story() -> None:
        at = world.time.now() + 40 * SECOND
        campaign = await started(world, at=at, spread=60 * SECOND)
        await launch(world.ctx)
        await bound(world, campaign, campaigns.pause)
        world.time.advance(30 * SECOND)
        await bound(world, campaign, campaigns.resume)
        await launch(world.ctx)
        rows = await world.all("SELECT * FROM messages ORDER BY id")
        assert [row.not_before - at for row in rows] == [n * 20 * SECOND for n in range(3)]
        world.time.advance(50 * SECOND)
        await send_all(world)
        assert len(world.sim.seen) == 3

    world.run(story)


def test_a_run_that_became_due_in_a_pause_starts_when_the_pause_ends(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, at=world.time.now() + HOUR)
        await bound(world, campaign, campaigns.pause)
        world.time.advance(10 * DAY)
        assert await launch(world.ctx) == 0
        await bound(world, campaign, campaigns.resume)
        assert await launch(world.ctx) == 3
        assert (await world.one("SELECT starts_at FROM runs")).starts_at == world.time.now()

    world.run(story)


def test_a_campaign_whose_last_run_ended_in_a_pause_is_finished_when_resumed(world: World) -> None:
    async def story() -> None:
        campaign = await started(world)
        await launch(world.ctx)
        ids = world.lanes.take()
        await world.deliver(ids)
        await bound(world, campaign, campaigns.pause)
        await launch(world.ctx)
        assert (await world.one("SELECT state FROM runs")).state == "finished"
        assert (await bound(world, campaign, campaigns.resume)).state == "finished"

    world.run(story)
