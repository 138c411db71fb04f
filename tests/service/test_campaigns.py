"""Campaigns: judged whole, changed while drafts, stopped and moved by pauses, taken back exactly."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from dispatcher.domain.campaign import Plan
from dispatcher.domain.errors import AlreadyExists, Conflict, InvalidPlan, NotFound
from dispatcher.domain.provider import Accepted, Deferred, Outcome, Outgoing, ProviderConfig, Takes
from dispatcher.domain.status import Status
from dispatcher.domain.submission import Caller
from dispatcher.domain.tier import Tier
from dispatcher.service import accounts, campaigns, explain, report, templates
from dispatcher.service.campaigns import Campaign
from dispatcher.service.launch import launch
from dispatcher.service.progress import rate
from tests.audience import NEW_YORK, audience
from tests.world import World

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
TICK = timedelta(microseconds=1)


async def draft(world: World, **more: Any) -> Campaign:
    if "audience_id" not in more:
        more["audience_id"] = await audience(world, more.pop("count", 3))
    if "cron" not in more:
        more.setdefault("at", world.time.now())
    plan = Plan(**{"name": "spring", "text": "Hello", **more})
    return await campaigns.create(world.ctx, world.caller.account, plan)


async def started(world: World, **more: Any) -> Campaign:
    made = await draft(world, **more)
    return await campaigns.start(world.ctx, world.caller.account, str(made.public_id))


def bound(world: World, campaign: Campaign, use_case: Callable[..., Any]) -> Any:
    return use_case(world.ctx, world.caller.account, str(campaign.public_id))


async def faults(world: World, **more: Any) -> dict[str, str]:
    with pytest.raises(InvalidPlan) as caught:
        await draft(world, **more)
    return {fault.field: fault.sentence for fault in caught.value.faults}


async def send_all(world: World) -> None:
    while await world.clock.release() + await world.clock.fill() or world.lanes.published:
        await world.deliver()


def test_a_draft_has_the_account_s_zone_and_default_sender_and_the_template_s_text(world: World) -> None:
    async def story() -> None:
        made = await templates.create(world.ctx, world.caller.account, "x", "Hi {{name}}")
        who = await audience(world, variables={"name": "Jane"})
        campaign = await draft(world, audience_id=who, template_id=made.public_id)
        assert campaign.state == "draft"
        assert campaign.terms.text == "Hi {{name}}"
        assert campaign.terms.template_id == made.id
        assert (campaign.terms.sender_id, campaign.terms.timezone) == (world.sender_id, "UTC")
        assert (campaign.terms.tier, campaign.terms.lasts) == (Tier.BULK, timedelta(hours=72))
        assert await launch(world.ctx) == 0

    world.run(story)


def test_all_that_is_wrong_with_a_plan_is_told_at_once_and_nothing_is_kept(world: World) -> None:
    async def story() -> None:
        found = await faults(
            world,
            name=" ",
            text="Hi {{name}} of {{town}}",
            sender="NOBODY",
            cron="0 9 30 2 *",
            spread=timedelta(),
            hours={"mon": ["25:00-26:00"]},
            validity=timedelta(),
            max_cost=0,
            callback_url="ftp://x",
        )
        assert sorted(found) == [
            "callback_url",
            "cron",
            "hours",
            "max_cost",
            "name",
            "sender",
            "spread",
            "text",
            "validity",
        ]
        assert found["text"] == "names name, town, which the audience has no column for; it has none"
        assert "never fires" in found["cron"]
        assert found["sender"] == "account 'shop' has no sender 'NOBODY' that may be used"
        assert await world.all("SELECT 1 FROM campaigns") == []

    world.run(story)


@pytest.mark.parametrize(
    ("plan", "field", "sentence"),
    [
        ({"audience_id": "nobody"}, "audience_id", "account 'shop' has no audience 'nobody'"),
        ({"count": 0}, "audience_id", "has no recipients"),
        ({"text": " "}, "text", "a campaign needs a text or a template"),
        ({"text": "x" * 2000}, "text", "is too long: 14 segments, at most 10"),
        ({"template_id": "none"}, "template_id", "account 'shop' has no template 'none'"),
        ({"at": None}, "at", 'say when: either once, "at" a time, or again and again by "cron"'),
        ({"at": datetime.fromisoformat("2026-03-02T09:00")}, "at", "got 2026-03-02 09:00:00 without one"),
        ({"cron": "0 9 * * *", "last_day": date(2020, 1, 1)}, "last_day", "does not fire any more"),
        ({"cron": "0 9 * * *", "timezone": "Mars/Base"}, "timezone", '"Mars/Base" is not a time zone'),
        ({"spread": HOUR, "per_second": 5.0}, "spread", "not both"),
        ({"per_second": 0.0}, "per_second", "at least 0.001"),
        ({"tier": Tier.CRITICAL}, "tier", "account 'shop' may send standard at most"),
    ],
)
def test_a_fault_names_its_field_the_value_and_what_would_do(
    world: World, plan: dict[str, Any], field: str, sentence: str
) -> None:
    async def story() -> None:
        await world.all("UPDATE accounts SET tier_cap = 'standard'")
        found = await accounts.page(world.ctx, after=0, limit=1)
        world.caller = Caller(found[0], "test")
        assert sentence in (await faults(world, **plan))[field]

    world.run(story)


def test_hours_that_never_open_for_a_group_of_zones_are_refused(world: World) -> None:
    async def story() -> None:
        who = await audience(world, 4, zones=(NEW_YORK, "Europe/Paris,Asia/Tokyo,Pacific/Honolulu"))
        found = await faults(world, audience_id=who, hours={"mon-fri": ["09:00-12:00"]})
        assert found["hours"] == (
            "never open together for recipients who may be in Europe/Paris, Asia/Tokyo, Pacific/Honolulu"
        )

    world.run(story)


def test_another_account_s_campaign_and_audience_are_unknown(world: World) -> None:
    async def story() -> None:
        campaign = await draft(world)
        other = await world.another_account("other")
        with pytest.raises(NotFound):
            await campaigns.start(world.ctx, other.account, str(campaign.public_id))
        theirs = await audience(world, account_id=other.account.id)
        assert "has no audience" in (await faults(world, audience_id=theirs, name="x"))["audience_id"]

    world.run(story)


def test_a_name_is_used_once(world: World) -> None:
    async def story() -> None:
        await draft(world)
        other = await draft(world, name="autumn")
        with pytest.raises(AlreadyExists):
            await draft(world)
        again = Plan(name="spring", audience_id=await audience(world), text="x", at=world.time.now())
        with pytest.raises(AlreadyExists):
            await campaigns.change(world.ctx, world.caller.account, str(other.public_id), again)

    world.run(story)


def test_a_draft_is_changed_whole_and_what_was_started_no_more(world: World) -> None:
    async def story() -> None:
        campaign = await draft(world)
        who = await audience(world)
        plan = Plan(
            name="spring",
            audience_id=who,
            text="Bye",
            cron="0 9 * * mon",
            per_second=2.5,
            hours={"mon-fri": ["08:00-20:00"]},
            max_cost=7,
        )
        changed = await campaigns.change(world.ctx, world.caller.account, str(campaign.public_id), plan)
        assert (changed.terms.text, changed.terms.cron, changed.terms.max_cost) == ("Bye", "0 9 * * mon", 7)
        assert changed == await bound(world, campaign, campaigns.find)
        await bound(world, campaign, campaigns.start)
        with pytest.raises(Conflict, match="only a draft"):
            await campaigns.change(world.ctx, world.caller.account, str(campaign.public_id), plan)

    world.run(story)


def test_once_in_the_past_means_now(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, at=world.time.now() - 10 * DAY)
        assert campaign.next_due == world.time.now()
        assert await launch(world.ctx) == 3

    world.run(story)


def test_only_what_follows_is_allowed(world: World) -> None:
    async def story() -> None:
        campaign = await draft(world)
        use_case: Callable[..., Any]
        for use_case in (campaigns.pause, campaigns.resume):
            with pytest.raises(Conflict):
                await bound(world, campaign, use_case)
        await bound(world, campaign, campaigns.cancel)
        late: list[Callable[..., Any]] = [campaigns.start, campaigns.pause, campaigns.cancel]
        for use_case in late:
            with pytest.raises(Conflict):
                await bound(world, campaign, use_case)

    world.run(story)


def test_a_pause_stops_what_is_ready_and_what_is_in_its_lane_and_nothing_goes_out(world: World) -> None:
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


def test_a_message_tells_that_its_campaign_is_paused(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, count=1)
        await launch(world.ctx)
        await bound(world, campaign, campaigns.pause)
        history = await report.history(world.ctx, "1")
        said = explain.explain(history, now=world.time.now(), consumed={})
        assert (
            "Its campaign is paused: it goes on when that is resumed, and its window moves by the pause."
            in said
        )

    world.run(story)


def test_a_pause_longer_than_the_validity_lets_nothing_expire_and_windows_move_by_it(world: World) -> None:
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


def test_the_timer_does_not_spin_on_what_is_held_while_its_campaign_is_paused(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, count=1, validity=HOUR, at=world.time.now() + SECOND)
        await launch(world.ctx)
        await bound(world, campaign, campaigns.pause)
        world.time.advance(DAY)
        assert await world.clock.release() + await world.clock.expire() == 0
        assert await world.clock.next_wake() is None

    world.run(story)


def test_a_resumed_run_goes_on_only_when_all_its_windows_have_moved_each_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.service.launch._BATCH", 100)

    async def story() -> None:
        campaign = await started(world, count=600)
        await launch(world.ctx)
        monkeypatch.setattr("dispatcher.service.launch._TICK", 0.0)
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


def test_a_run_that_came_due_in_a_pause_starts_when_it_ends(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, at=world.time.now() + HOUR)
        await bound(world, campaign, campaigns.pause)
        world.time.advance(10 * DAY)
        assert await launch(world.ctx) == 0
        await bound(world, campaign, campaigns.resume)
        assert await launch(world.ctx) == 3
        assert (await world.one("SELECT starts_at FROM runs")).starts_at == world.time.now()

    world.run(story)


def test_a_campaign_whose_last_run_ended_in_a_pause_is_finished_when_it_ends(world: World) -> None:
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


def test_cancelling_takes_back_all_that_is_not_out_and_says_how_many_were(world: World) -> None:
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
        assert ended.out == 41
        assert ended.withdrawn == total - 41
        assert await world.balance() == 10_000 - 41
        assert await launch(world.ctx) == 0
        assert len(await world.all("SELECT 1 FROM messages WHERE place IS NOT NULL")) == 1

    world.run(story)


def test_what_a_worker_hands_back_of_a_cancelled_campaign_is_taken_back_too(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, count=1)
        await launch(world.ctx)

        async def cancelled_meanwhile(_: Outgoing) -> Outcome:
            ended = await bound(world, campaign, campaigns.cancel)
            assert (ended.withdrawn, ended.out) == (0, 1)
            return Deferred("later", after=None)

        world.sim.answer = cancelled_meanwhile
        await world.deliver()
        assert (await world.row(1)).status == Status.PENDING
        await launch(world.ctx)
        assert (await world.row(1)).status == Status.WITHDRAWN
        assert (await world.one("SELECT state FROM runs")).state == "cancelled"
        assert await world.balance() == 10_000

    world.run(story)


def test_of_drafts_renamed_to_one_name_at_once_one_gets_it_and_the_others_are_told(world: World) -> None:
    async def story() -> None:
        who = await audience(world, 1)
        made = [await draft(world, name=f"draft {n}", audience_id=who) for n in range(8)]
        plan = Plan(name="spring", text="Hello", audience_id=who, at=world.time.now())

        async def rename(one: Campaign) -> bool:
            try:
                await campaigns.change(world.ctx, world.caller.account, str(one.public_id), plan)
            except AlreadyExists:
                return False
            return True

        assert sum(await asyncio.gather(*map(rename, made))) == 1

    world.run(story)


def test_cancelling_races_with_the_workers_and_each_message_is_sent_or_taken_back(world: World) -> None:
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
        assert ended.withdrawn + ended.out == 400
        assert await world.balance() == 10_000 - sent

    world.run(story)


def test_a_report_counts_by_status_and_tells_what_it_cost(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, count=10, text="x" * 161, spread=HOUR)
        await launch(world.ctx)
        await world.deliver(world.lanes.take())
        shown = await bound(world, campaign, campaigns.show)
        [run] = shown.runs
        assert shown.audience.recipients == run.run.total == 10
        assert (run.run.position, dict(run.statuses), run.cost) == (1, {Status.SENT: 1}, 2)

    world.run(story)


def test_a_forecast_is_the_later_of_pacing_and_the_providers_rate_and_says_which(world: World) -> None:
    world.configs["sim"] = ProviderConfig(name="sim", plugin="test", options={}, tps=10, takes=Takes.BOTH)

    async def story() -> None:
        start = world.time.now()
        paced = await started(world, count=60, spread=HOUR)
        flood = await started(world, count=900, name="flood", text="x" * 161)
        await launch(world.ctx)
        [slow] = (await bound(world, paced, campaigns.show)).runs
        assert slow.forecast is not None
        assert slow.forecast.released == slow.forecast.through == start + timedelta(minutes=59)
        assert slow.limit.startswith("Its pacing is the limit")
        [fast] = (await bound(world, flood, campaigns.show)).runs
        assert fast.forecast is not None
        assert fast.forecast.released == start
        # 1800 segments at 10 a second, of which bulk may use eight tenths.
        assert fast.forecast.through == start + 225 * SECOND
        assert "1800 segments are left" in fast.limit

    world.run(story)


def test_a_forecast_counts_on_its_turn_between_accounts_and_flows(world: World) -> None:
    async def story() -> None:
        await world.another_account("other")
        own = (world.caller.account.id, 7)
        alone = rate(world.ctx, Tier.BULK, [], flow=own)
        assert alone == 8000
        assert rate(world.ctx, Tier.BULK, [own, (own[0], 0)], flow=own) == alone / 2
        assert rate(world.ctx, Tier.BULK, [(own[0], 0), (99, 0), (99, 3)], flow=own) == alone / 4

    world.run(story)


def test_campaigns_are_listed_in_pages(world: World) -> None:
    async def story() -> None:
        made = [await draft(world, name=name) for name in ("a", "b", "c")]
        page = await campaigns.page(world.ctx, world.caller.account, limit=2)
        assert page == made[:2]
        assert await campaigns.page(world.ctx, world.caller.account, after=page[-1].id) == made[2:]

    world.run(story)


def test_a_run_s_messages_are_one_batch_that_tells_its_callbacks(world: World) -> None:
    async def story() -> None:
        world.time.at = datetime(2026, 3, 2, 12, tzinfo=UTC)
        await started(world, callback_url="https://example.com/x", spread=HOUR)
        await launch(world.ctx)
        batch = await world.one("SELECT * FROM batches")
        assert batch.run_id == (await world.one("SELECT id FROM runs")).id
        assert batch.not_after == world.time.now() + timedelta(minutes=40) + timedelta(hours=72)
        assert len(await world.all("SELECT 1 FROM callbacks")) == 1

    world.run(story)
