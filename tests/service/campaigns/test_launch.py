"""Runs: each due time once, each recipient once, paced, bounded, and exact after any crash."""

import asyncio
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.campaigns.campaign import RUN_LEAD, CampaignPlan
from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.messages.status import Place
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import opt_outs
from dispatcher.service.campaigns import campaigns
from dispatcher.service.campaigns.expand import CHUNK, HORIZON
from dispatcher.service.campaigns.launch import launch
from dispatcher.settings import Settings
from dispatcher.store.accounts import ledger
from dispatcher.store.campaigns import runs
from dispatcher.store.submissions import new_messages
from tests.audience import NAIROBI, NEW_YORK, PARIS, audience
from tests.world import World

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


async def started(world: World, recipients: str, **more: Any) -> campaigns.CampaignRow:
    """Start a campaign; it is due now unless `more` says otherwise."""
    if "cron" not in more:
        more.setdefault("at", world.time.now())
    plan = CampaignPlan(**{"name": "spring", "text": "Hello", "audience_id": recipients, **more})
    made = await campaigns.create(world.ctx, world.caller.account, plan)
    return await campaigns.start(world.ctx, world.caller.account, str(made.public_id))


async def find(world: World, campaign: campaigns.CampaignRow) -> campaigns.CampaignRow:
    return await campaigns.find(world.ctx, world.caller.account, str(campaign.public_id))


async def run_of(world: World) -> Row[tuple[object, ...]]:
    return await world.one("SELECT * FROM runs ORDER BY id DESC LIMIT 1")


async def messages(world: World) -> list[Row[tuple[object, ...]]]:
    return list(await world.all("SELECT * FROM messages ORDER BY not_before, id"))


async def send_all(world: World) -> None:
    """Send all messages that are due."""
    while await world.clock.release() + await world.clock.fill() or world.lanes.published:
        await world.deliver()


def test_a_campaign_sends_each_recipient_one_message_with_its_own_text_and_is_finished(world: World) -> None:
    async def story() -> None:
        who = await audience(world, 5, variables={"name": "Jane"})
        campaign = await started(world, who, text="Hi {{name}}")
        assert await launch(world.ctx) == 5
        await send_all(world)
        assert sorted(o.to for o in world.sim.seen) == [f"+2547{n:08}" for n in range(5)]
        assert {o.text for o in world.sim.seen} == {"Hi Jane"}
        await launch(world.ctx)
        run = await run_of(world)
        assert (run.state, run.position, run.messages, run.left_out, run.charged) == ("finished", 5, 5, 0, 5)
        assert (await find(world, campaign)).state == "finished"
        assert await world.balance() == 10_000 - 5

    world.run(story)


def test_due_messages_go_directly_into_their_lane_while_there_is_room(world: World) -> None:
    async def story() -> None:
        await started(world, await audience(world, 20))
        await launch(world.ctx)
        assert len(world.lanes.take()) == 20
        await started(world, await audience(world, 900), name="large")
        await launch(world.ctx)
        assert world.lanes.take() == []
        rows = await world.all("SELECT place, count(*) AS n FROM messages GROUP BY place")
        assert {row.place: row.n for row in rows} == {Place.LANE: 20, Place.READY: 900}

    world.run(story)


def test_a_run_is_made_a_minute_ahead_and_no_message_is_sent_before_its_time(world: World) -> None:
    async def story() -> None:
        at = world.time.now() + HOUR
        await started(world, await audience(world), at=at)
        world.time.at = at - RUN_LEAD - SECOND
        assert await launch(world.ctx) == 0
        world.time.at = at - RUN_LEAD
        assert await launch(world.ctx) == 3
        assert {(row.status, row.wake_at) for row in await messages(world)} == {(10, at)}
        world.time.at = at
        assert await world.clock.release() == 3

    world.run(story)


def test_a_due_time_makes_one_run_however_often_launch_runs(world: World) -> None:
    async def story() -> None:
        await started(world, await audience(world, 50))
        await asyncio.gather(*(launch(world.ctx) for _ in range(4)))
        await world.all("UPDATE campaigns SET next_due = (SELECT due_at FROM runs), state = 'active'")
        await asyncio.gather(*(launch(world.ctx) for _ in range(4)))
        assert len(await world.all("SELECT 1 FROM runs")) == 1
        assert len({row.number for row in await messages(world)}) == len(await messages(world)) == 50
        assert await world.balance() == 10_000 - 50

    world.run(story)


def test_a_run_that_was_missed_starts_late_only_while_its_messages_would_be_valid(world: World) -> None:
    async def story() -> None:
        world.time.at = datetime(2026, 3, 2, 12, tzinfo=UTC)
        campaign = await started(
            world, await audience(world), cron="0 9 * * *", timezone="UTC", validity=DAY, spread=HOUR
        )
        world.time.at = datetime(2026, 3, 6, 12, tzinfo=UTC)
        await launch(world.ctx)
        rows = await world.all("SELECT * FROM runs ORDER BY due_at")
        assert [(row.due_at.day, row.state) for row in rows] == [
            (3, "cancelled"),
            (4, "cancelled"),
            (5, "cancelled"),
            (6, "expanding"),
        ]
        assert "missed" in rows[0].reason
        assert rows[3].starts_at == world.time.now()
        assert (await find(world, campaign)).next_due == datetime(2026, 3, 7, 9, tzinfo=UTC)

    world.run(story)


@pytest.mark.parametrize("zone", [PARIS, NEW_YORK])
def test_a_weekly_campaign_keeps_its_local_time_for_a_year(world: World, zone: str) -> None:
    async def story() -> None:
        world.time.at = datetime(2027, 1, 1, tzinfo=UTC)  # to come, for a claim asks Postgres
        campaign = await started(
            world, await audience(world, 1), cron="30 9 * * mon", timezone=zone, last_day=date(2027, 12, 31)
        )
        while (due := (await find(world, campaign)).next_due) is not None:
            world.time.at = due
            await launch(world.ctx)
            await send_all(world)
        await launch(world.ctx)
        local = [row.due_at.astimezone(ZoneInfo(zone)) for row in await world.all("SELECT due_at FROM runs")]
        assert len(local) == len(world.sim.seen) == 52
        assert {(at.weekday(), at.hour, at.minute) for at in local} == {(0, 9, 30)}
        assert len({at.utcoffset() for at in local}) == 2
        assert {row.not_before for row in await messages(world)} == {at.astimezone(UTC) for at in local}
        assert (await find(world, campaign)).state == "finished"

    world.run(story)


def test_two_runs_of_a_campaign_run_concurrently(world: World) -> None:
    async def story() -> None:
        world.time.at = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
        await started(world, await audience(world, 4), cron="* * * * *", timezone="UTC", spread=HOUR)
        for _ in range(2):
            world.time.advance(timedelta(minutes=1))
            await launch(world.ctx)
        assert [row.state for row in await world.all("SELECT state FROM runs")] == ["expanding"] * 3
        assert {row.flow for row in await messages(world)} == {1, 2, 3}

    world.run(story)


def test_a_spread_run_makes_only_messages_due_within_five_minutes(world: World) -> None:
    async def story() -> None:
        start = world.time.now()
        await started(world, await audience(world, 60), spread=HOUR)
        assert await launch(world.ctx) == 5
        assert [row.not_before - start for row in await messages(world)] == [
            timedelta(minutes=n) for n in range(5)
        ]
        assert await launch(world.ctx) == 0
        world.time.advance(timedelta(minutes=1))
        assert await launch(world.ctx) == 1
        world.time.at = start + HOUR
        await launch(world.ctx)
        assert [row.not_before - start for row in await messages(world)] == [
            timedelta(minutes=n) for n in range(60)
        ]

    world.run(story)


def test_no_more_messages_of_a_run_wait_than_the_setting_allows(settings: Settings) -> None:
    world = World(settings.model_copy(update={"campaign_ahead": 30}))

    async def story() -> None:
        await started(world, await audience(world, 100))
        assert [await launch(world.ctx) for _ in range(2)] == [30, 0]
        await world.all(
            "UPDATE messages SET place = NULL, status = 12, wake_at = NULL WHERE id IN (1, 2, 3, 4, 5)"
        )
        assert await launch(world.ctx) == 5

    world.run(story)


def test_no_messages_are_made_while_as_many_are_due_as_the_lane_holds(settings: Settings) -> None:
    world = World(settings.model_copy(update={"campaign_ahead": CHUNK + 50}))
    world.configs["sim"] = ProviderConfig("sim", "test", {}, tps=100, takes=Traffic.BOTH)

    async def story() -> None:
        await started(world, await audience(world, 2 * CHUNK), at=world.time.now() + 30 * SECOND)
        assert await launch(world.ctx) == CHUNK + 50
        await _sent(world, 20)
        assert await launch(world.ctx) == 20, "nothing is due yet"
        world.time.advance(30 * SECOND)
        for place in (Place.HELD, Place.READY):
            await _sent(world, 25)
            assert await launch(world.ctx) == 0, f"{CHUNK} and more are due, {place}"
            await world.clock.release()
        await _sent(world, 100)
        assert await launch(world.ctx) == 150

    world.run(story)


async def _sent(world: World, count: int) -> None:
    await world.all(
        "UPDATE messages SET place = NULL, status = 12, wake_at = NULL"
        " WHERE id IN (SELECT id FROM messages WHERE place IS NOT NULL ORDER BY id LIMIT :count)",
        count=count,
    )


def test_each_group_of_zones_is_sent_in_its_own_hours_and_none_waits_for_another(world: World) -> None:
    async def story() -> None:
        world.time.at = datetime(2026, 3, 2, 5, tzinfo=UTC)  # a Monday, 08:00 in Nairobi, 00:00 in New York
        who = await audience(world, 2000, zones=(NEW_YORK, NAIROBI))
        await started(world, who, hours={"mon-fri": ["08:00-20:00"]}, per_second=1)
        until = world.time.now() + timedelta(hours=9)
        while world.time.now() < until:
            await launch(world.ctx)
            world.time.advance(timedelta(minutes=4))
        rows = await world.all(
            "SELECT r.zone, m.* FROM messages m JOIN recipients r USING (number) ORDER BY m.not_before, m.id"
        )
        seconds = [2 * n for n in range(1000)]  # half of the rate for half of the audience
        for zone, hour in ((0, 13), (1, 5)):
            opens = datetime(2026, 3, 2, hour, tzinfo=UTC)
            own = [row for row in rows if row.zone == zone]
            assert [(row.not_before - opens) / SECOND for row in own] == seconds
            assert {row.closes_at for row in own} == {opens + timedelta(hours=12)}
            assert max(row.not_before - row.created_at for row in own) <= HORIZON

    world.run(story)


def test_opted_out_and_unsendable_recipients_are_refused_with_a_reason_and_cost_nothing(
    world: World,
) -> None:
    async def story() -> None:
        who = await audience(world, 4, variables={"name": "Jane"})
        await world.all('UPDATE recipients SET variables = \'{"name": " "}\' WHERE position = 2')
        await world.all("UPDATE recipients SET variables = '{}' WHERE position = 3")
        long = "jsonb_build_object('name', repeat('x', 2000))"
        await world.all(f"UPDATE recipients SET variables = {long} WHERE position = 4")
        await opt_outs.add(world.ctx, world.caller.account, ["+254700000000"])
        await started(world, who, text="{{name}}")
        await launch(world.ctx)
        rows = await world.all("SELECT id, status, charged FROM messages ORDER BY id")
        assert [(row.status, row.charged) for row in rows] == [(26, 0), (21, 0), (22, 0), (22, 0)]
        reasons = [(await world.events(row.id))[0][1] for row in rows]
        assert reasons == [
            "the number has opted out",
            "its text is empty",
            "no value for name",
            "its text is too long: 14 segments, at most 10",
        ]
        run = await run_of(world)
        assert (run.position, run.messages, run.left_out, run.charged) == (4, 0, 4, 0)
        assert await world.balance() == 10_000

    world.run(story)


def test_a_balance_that_does_not_cover_the_next_chunk_pauses_the_campaign_and_says_what_is_missing(
    world: World,
) -> None:
    async def story() -> None:
        campaign = await started(world, await audience(world, 30))
        assert await launch(world.ctx) == 0
        paused = await find(world, campaign)
        assert paused.state == "paused"
        assert paused.reason == (
            "the next 30 messages cost 30 credits, the balance is 20: 10 are missing; top up and resume"
        )
        assert (await run_of(world)).position == 0
        assert await world.balance() == 20
        await world.all("UPDATE accounts SET balance = 100")
        await world.all("INSERT INTO ledger (account_id, kind, amount) SELECT id, 'topup', 80 FROM accounts")
        await campaigns.resume(world.ctx, world.caller.account, str(campaign.public_id))
        await launch(world.ctx)
        assert (await run_of(world)).messages == 30
        assert await world.balance() == 70

    world.run(story, credits=20)


def test_a_run_stops_at_its_maximum_cost_and_messages_already_made_are_sent(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, await audience(world, 30), text="x" * 161, max_cost=25)
        assert await launch(world.ctx) == 12
        await send_all(world)
        await launch(world.ctx)
        run = await run_of(world)
        assert (run.state, run.charged, run.position) == ("stopped", 24, 12)
        assert run.reason == "its maximum cost of 25 would have been exceeded"
        assert len(world.sim.seen) == 12
        assert (await find(world, campaign)).state == "finished"

    world.run(story)


def test_a_daily_cap_lets_the_run_wait_for_the_next_day(world: World) -> None:
    async def story() -> None:
        world.time.at = datetime(2026, 3, 2, 12, tzinfo=UTC)
        await world.all("UPDATE accounts SET daily_cap = 30, counted_on = '2026-03-02', counted = 20")
        await started(world, await audience(world, 20))
        assert await launch(world.ctx) == 0
        assert (await run_of(world)).reason == (
            "the account may send 30 messages a day; it continues when the next day begins, in UTC"
        )
        assert await world.balance() == 10_000
        world.time.advance(12 * HOUR)
        assert await launch(world.ctx) == 20
        assert (await run_of(world)).reason == ""

    world.run(story)


def test_a_campaign_of_a_paused_account_waits(world: World) -> None:
    async def story() -> None:
        await started(world, await audience(world, 3))
        await world.all("UPDATE accounts SET paused_at = now()")
        assert await launch(world.ctx) == 0
        await world.all("UPDATE accounts SET paused_at = NULL")
        assert await launch(world.ctx) == 3

    world.run(story)


def test_a_recipient_whose_window_is_over_before_expansion_is_27_and_costs_nothing(world: World) -> None:
    async def story() -> None:
        await started(world, await audience(world, 2), validity=HOUR, spread=2 * HOUR)
        await world.all("UPDATE accounts SET paused_at = now()")
        await launch(world.ctx)
        world.time.advance(HOUR)
        await world.all("UPDATE accounts SET paused_at = NULL")
        await launch(world.ctx)
        assert [(row.status, row.charged) for row in await messages(world)] == [(27, 0), (11, 1)]

    world.run(story)


class Killed(Exception):
    """Simulates the end of the process: the transaction is lost with its connection."""


@pytest.mark.parametrize("seed", range(4))
def test_wherever_launch_is_killed_each_recipient_gets_one_message_and_the_counts_add_up(
    world: World, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    statements = [
        (new_messages, "insert_messages"),
        (new_messages, "insert"),
        (ledger, "charge"),
        (runs, "advance"),
        (runs, "lock"),
    ]
    statements += [(runs, "mark_expanded"), (runs, "insert"), (runs, "finish")]
    for module, name in statements:
        real = getattr(module, name)

        async def deadly(*arguments: Any, real: Any = real, **named: Any) -> Any:
            before, after = rng.random() < 0.15, rng.random() < 0.15
            if before:
                raise Killed
            result = await real(*arguments, **named)
            if after:
                raise Killed
            return result

        monkeypatch.setattr(module, name, deadly)

    async def story() -> None:
        count = 3 * CHUNK + 7
        await started(world, await audience(world, count, zones=(PARIS, NAIROBI)))
        for _ in range(200):
            await asyncio.gather(launch(world.ctx), launch(world.ctx), return_exceptions=True)
            if (rows := await world.all("SELECT state FROM runs")) and rows[0].state == "sending":
                break
        run = await run_of(world)
        assert (run.position, run.messages, run.charged) == (count, count, count)
        assert run.zone_ranks == [-(-count // 2), count // 2]
        rows = await messages(world)
        assert len(rows) == len({row.number for row in rows}) == count
        assert await world.balance() == 10_000 - count
        events = await world.one("SELECT count(*) AS n FROM message_events")
        assert events.n == count

    world.run(story)


def test_two_system_workers_share_runs_and_neither_repeats_the_other(world: World) -> None:
    async def story() -> None:
        for name in ("a", "b", "c"):
            await started(world, await audience(world, 1500), name=name)
        while sum(await asyncio.gather(launch(world.ctx), launch(world.ctx))):
            pass
        rows = await world.all(
            "SELECT flow, count(*) AS n, count(DISTINCT number) AS d FROM messages GROUP BY flow"
        )
        assert [(row.n, row.d) for row in rows] == [(1500, 1500)] * 3

    world.run(story)


def test_at_most_one_chunk_is_read_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real = new_messages.insert_messages

    async def counting(connection: AsyncConnection, batches: Any, **more: Any) -> Any:
        sizes.extend(len(batch.messages) for batch in batches.values() if batch.messages)
        return await real(connection, batches, **more)

    monkeypatch.setattr(new_messages, "insert_messages", counting)

    async def story() -> None:
        await started(world, await audience(world, 2500, zones=(PARIS, NAIROBI, NEW_YORK)))
        while await launch(world.ctx):
            pass
        assert sum(sizes) == 2500
        assert max(sizes) <= CHUNK

    world.run(story)


def test_critical_campaigns_go_directly_into_their_lane(world: World) -> None:
    async def story() -> None:
        await started(world, await audience(world, 5), tier=Tier.CRITICAL)
        await launch(world.ctx)
        assert [tier for tier, _ in world.lanes.published] == [Tier.CRITICAL] * 5

    world.run(story)
