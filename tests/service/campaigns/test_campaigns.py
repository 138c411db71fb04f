"""Campaigns: validated as a whole, changed while drafts, reported and listed."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.campaigns.campaign import CampaignPlan
from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.errors import AlreadyExists, Conflict, NotFound
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.service.campaigns import campaigns
from dispatcher.service.campaigns.campaigns import CampaignRow
from dispatcher.service.campaigns.launch import launch
from dispatcher.service.campaigns.progress import rate
from dispatcher.service.submissions import templates
from tests.audience import NEW_YORK, audience
from tests.campaign import bound, draft, faults, started
from tests.world import World

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def test_a_draft_has_the_account_s_zone_and_default_sender_and_the_template_s_text(world: World) -> None:
    async def story() -> None:
        made = await templates.create(world.ctx, world.caller.account, "x", "Hi {{name}}")
        who = await audience(world, variables={"name": "Jane"})
        campaign = await draft(world, audience_id=who, template_id=made.public_id)
        assert campaign.state == "draft"
        assert campaign.terms.text == "Hi {{name}}"
        assert campaign.terms.template_id == made.id
        assert (campaign.terms.sender_id, campaign.terms.timezone) == (world.sender_id, "UTC")
        assert (campaign.terms.tier, campaign.terms.message_validity) == (Tier.BULK, timedelta(hours=72))
        assert await launch(world.ctx) == 0

    world.run(story)


def test_all_faults_of_a_plan_are_reported_together_and_nothing_is_stored(world: World) -> None:
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
        assert found["sender"] == "account 'shop' has no sender 'NOBODY' that may be used (there is: SHOP)"
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
def test_a_fault_names_its_field_the_value_and_the_choices(
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
        again = CampaignPlan(name="spring", audience_id=await audience(world), text="x", at=world.time.now())
        with pytest.raises(AlreadyExists):
            await campaigns.change(world.ctx, world.caller.account, str(other.public_id), again)

    world.run(story)


def test_a_draft_can_be_replaced_and_a_started_campaign_cannot(world: World) -> None:
    async def story() -> None:
        campaign = await draft(world)
        who = await audience(world)
        plan = CampaignPlan(
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


def test_a_single_time_in_the_past_means_now(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, at=world.time.now() - 10 * DAY)
        assert campaign.next_due == world.time.now()
        assert await launch(world.ctx) == 3

    world.run(story)


def test_only_the_transitions_of_the_table_are_allowed(world: World) -> None:
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


def test_of_drafts_renamed_to_the_same_name_at_once_one_gets_it_and_the_others_are_refused(
    world: World,
) -> None:
    async def story() -> None:
        who = await audience(world, 1)
        made = [await draft(world, name=f"draft {n}", audience_id=who) for n in range(8)]
        plan = CampaignPlan(name="spring", text="Hello", audience_id=who, at=world.time.now())

        async def rename(one: CampaignRow) -> bool:
            try:
                await campaigns.change(world.ctx, world.caller.account, str(one.public_id), plan)
            except AlreadyExists:
                return False
            return True

        assert sum(await asyncio.gather(*map(rename, made))) == 1

    world.run(story)


def test_a_report_has_counts_by_status_and_the_cost(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, count=10, text="x" * 161, spread=HOUR)
        await launch(world.ctx)
        await world.deliver(world.lanes.take())
        shown = await bound(world, campaign, campaigns.show)
        [run] = shown.runs
        assert shown.audience.recipients == run.run.total == 10
        assert (run.run.position, dict(run.statuses), run.cost) == (1, {Status.SENT: 1}, 2)

    world.run(story)


def test_a_forecast_is_the_later_of_pacing_and_the_providers_rate_and_names_it(world: World) -> None:
    world.configs["sim"] = ProviderConfig(name="sim", plugin="test", options={}, tps=10, takes=Traffic.BOTH)

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
        # 1800 segments at 10 a second: five percent less are handed out, of which bulk may use eight tenths.
        assert fast.forecast.through == start + 225 * 1.05 * SECOND
        assert "1800 segments are left" in fast.limit

    world.run(story)


def test_a_forecast_uses_the_rate_that_was_seen_where_it_is_below_the_nominal_one(world: World) -> None:
    world.configs["sim"] = ProviderConfig(name="sim", plugin="test", options={}, tps=1000, takes=Traffic.BOTH)

    async def story() -> None:
        flood = await started(world, count=900)
        await launch(world.ctx)
        await world.all(
            "UPDATE messages SET status = 12, place = NULL WHERE id <= 100 RETURNING id"
        )  # as if a slow provider had taken a hundred
        world.time.advance(50 * SECOND)
        await world.clock.release()
        [run] = (await bound(world, flood, campaigns.show)).runs
        assert run.forecast is not None
        assert run.forecast.through == world.time.now() + 400 * SECOND
        assert "800 segments are left, and 2.0 a second were sent so far" in run.limit

    world.run(story)


def test_a_forecast_uses_its_fair_share_between_accounts_and_flows(world: World) -> None:
    async def story() -> None:
        await world.another_account("other")
        own = (world.caller.account.id, 7)
        alone = rate(world.ctx, Tier.BULK, [], flow=own)
        assert alone == pytest.approx(10_000 / 1.05 * 0.8)
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


def test_the_messages_of_a_run_are_one_batch_with_callbacks(world: World) -> None:
    async def story() -> None:
        world.time.at = datetime(2026, 3, 2, 12, tzinfo=UTC)
        await started(world, callback_url="https://example.com/x", spread=HOUR)
        await launch(world.ctx)
        batch = await world.one("SELECT * FROM batches")
        assert batch.run_id == (await world.one("SELECT id FROM runs")).id
        assert batch.not_after == world.time.now() + timedelta(minutes=40) + timedelta(hours=72)
        assert len(await world.all("SELECT 1 FROM callbacks")) == 1

    world.run(story)
