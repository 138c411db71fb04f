"""The clock's duties: exact, bounded and fair."""

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from dispatcher.domain.delivery.provider import Accepted, ProviderConfig, Traffic
from dispatcher.domain.errors import Unavailable
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.tier import TIER_LIMITS, Tier
from dispatcher.logs import _without_rows
from dispatcher.service.clock.release import BATCH
from dispatcher.service.clock.sweeps import Backlog, Clock
from dispatcher.service.lane_depth import SHALLOW
from tests.world import World

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def numbers(count: int) -> list[str]:
    return [f"+2547{n:08}" for n in range(count)]


def test_messages_are_released_at_their_time_and_never_before(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit(after=HOUR)).messages
        row = await world.row(message.id)
        assert (row.status, row.place, row.wake_at) == (10, Place.HELD, row.not_before)
        assert world.lanes.wakes == [row.not_before]
        world.time.at = row.not_before - TICK
        assert await world.clock.release() == 0
        world.time.at = row.not_before
        assert await world.clock.release() == 1
        assert await world.events(message.id) == [(10, "accepted"), (11, "due")]

    world.run(story)


def test_a_process_with_an_uncertain_time_releases_late_rather_than_early(world: World) -> None:
    world.time.uncertainty = timedelta(milliseconds=5)

    async def story() -> None:
        await world.submit(after=HOUR)
        world.time.advance(HOUR)
        assert await world.clock.release() == 0
        world.time.advance(timedelta(milliseconds=5))
        assert await world.clock.release() == 1

    world.run(story)


def test_critical_is_released_straight_into_its_lane(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit(after=HOUR, tier=Tier.CRITICAL)).messages
        world.time.advance(HOUR)
        await world.clock.release()
        assert world.lanes.published == [(Tier.CRITICAL, message.id)]
        assert (await world.row(message.id)).wake_at == world.time.now() + timedelta(seconds=2)

    world.run(story)


async def _places(world: World) -> dict[Place, int]:
    rows = await world.all("SELECT place, count(*) AS n FROM messages WHERE place IS NOT NULL GROUP BY place")
    return {Place(row.place): row.n for row in rows}


@pytest.mark.parametrize("tier", [Tier.STANDARD, Tier.BULK])
def test_messages_are_released_straight_into_their_lane_if_none_is_ready(world: World, tier: Tier) -> None:
    async def story() -> None:
        [message] = (await world.submit(after=HOUR, tier=tier)).messages
        world.time.advance(HOUR)
        await world.clock.release()
        assert world.lanes.published == [(tier, message.id)]
        assert (await world.row(message.id)).wake_at == world.time.now() + TIER_LIMITS[tier].requeue

    world.run(story)


def test_released_messages_queue_behind_those_that_are_ready(world: World) -> None:
    async def story() -> None:
        await world.submit(after=HOUR, tier=Tier.BULK)
        world.time.advance(HOUR)
        await _ready(world, world.caller.account.id, 0, 1)
        await world.clock.release()
        assert await _places(world) == {Place.READY: 2}
        assert world.lanes.take() == []

    world.run(story)


def test_no_more_messages_are_released_into_a_lane_than_it_has_room_for(world: World) -> None:
    async def story() -> None:
        await world.submit(numbers(100), tier=Tier.BULK)
        await world.submit(numbers(SHALLOW[Tier.BULK]), tier=Tier.BULK, after=HOUR)
        await world.all("UPDATE messages SET wake_at = not_after WHERE place = 'lane'")
        world.lanes.take()
        world.time.advance(HOUR)
        await world.clock.release()
        assert len(world.lanes.take()) == SHALLOW[Tier.BULK] - 100
        assert await _places(world) == {Place.LANE: SHALLOW[Tier.BULK], Place.READY: 100}

    world.run(story)


def test_a_lane_is_never_deeper_than_the_providers_accept_in_lane_seconds(world: World) -> None:
    world.configs["sim"] = ProviderConfig("sim", "test", {}, tps=100, takes=Traffic.BOTH)

    async def story() -> None:
        most = int(2 * 100 / 1.05 * 0.8)  # bulk may use eight tenths of what is handed out
        await world.submit(numbers(300), tier=Tier.BULK)
        assert await _places(world) == {Place.READY: 300}
        for _ in range(3):
            await world.clock.fill()
            assert await _places(world) == {Place.READY: 300 - most, Place.LANE: most}
        await world.submit(numbers(300), tier=Tier.CRITICAL)
        assert await _places(world) == {Place.READY: 300 - most, Place.LANE: most + 300}

    world.run(story)


def test_messages_of_a_campaign_are_released_to_ready_where_a_pause_holds_them(world: World) -> None:
    async def story() -> None:
        await _ready(world, world.caller.account.id, 7, 3)
        await world.all("UPDATE messages SET place = 'held', wake_at = :now", now=world.time.now())
        await world.clock.release()
        assert await _places(world) == {Place.READY: 3}

    world.run(story)


async def _hold(world: World, account_id: int, flow: int, count: int, *, at: timedelta = SECOND) -> None:
    """Write `count` held bulk messages of a flow that are due in `at`."""
    await _ready(world, account_id, flow, count)
    await world.all(
        "UPDATE messages SET place = 'held', status = 10, wake_at = :at WHERE place = 'ready'",
        at=world.time.now() + at,
    )


def test_a_backlog_of_one_tier_delays_no_other_tier(world: World) -> None:
    async def story() -> None:
        await _hold(world, world.caller.account.id, 0, 3 * BATCH)
        [otp] = (await world.submit(tier=Tier.CRITICAL, after=2 * SECOND)).messages
        [note] = (await world.submit(tier=Tier.STANDARD, after=2 * SECOND)).messages
        world.time.advance(2 * SECOND)
        assert await world.clock.release() == BATCH + 2
        assert [(await world.row(m.id)).place for m in (otp, note)] == [Place.LANE, Place.LANE]
        assert world.clock.backlog is not Backlog.NONE
        assert await world.clock.next_wake() is None, (
            "the backlog is no reason to wake up: it is being released"
        )

    world.run(story)


def test_accounts_and_runs_take_turns_in_a_backlog(world: World) -> None:
    async def story() -> None:
        one, other = world.caller.account.id, (await world.another_account("other")).account.id
        await _hold(world, one, 7, 3 * BATCH)
        await _hold(world, one, 8, 100, at=2 * SECOND)
        await _hold(world, other, 0, 100, at=2 * SECOND)
        world.time.advance(2 * SECOND)
        assert [await world.clock.release() for _ in range(2)] == [BATCH, BATCH // 4 + 200]
        rows = await world.all("SELECT flow, count(*) AS n FROM messages WHERE place <> 'held' GROUP BY flow")
        assert {row.flow: row.n for row in rows} == {7: BATCH + BATCH // 4, 8: 100, 0: 100}

    world.run(story)


def test_a_backlog_is_released_completely(world: World) -> None:
    async def story() -> None:
        await _hold(world, world.caller.account.id, 0, 3 * BATCH + 7)
        world.time.advance(SECOND)
        assert [await world.clock.release() for _ in range(5)] == [BATCH, BATCH, BATCH, 7, 0]
        assert world.clock.backlog is Backlog.NONE

    world.run(story)


def test_a_backlog_is_wanted_while_a_lane_has_room_for_more_than_is_ready(world: World) -> None:
    async def story() -> None:
        await _hold(world, world.caller.account.id, 7, 3 * BATCH)
        world.time.advance(SECOND)
        await world.clock.release()
        seen = []
        for _ in range(2):
            await world.clock.fill()
            seen.append(world.clock.backlog)
            await _drain(world)
        # The lane took 500 of the 1,000 that were ready; it drains so many a second, and is to last for two.
        assert seen == [Backlog.WAITS, Backlog.WANTED]

    world.run(story)


async def _drain(world: World) -> None:
    """Empty the lane as workers would within a second."""
    await world.all("UPDATE messages SET place = NULL, status = 12, wake_at = NULL WHERE place = 'lane'")
    world.time.advance(SECOND)


@pytest.mark.parametrize("tier", Tier)
def test_a_lane_entry_that_redis_lost_is_added_again(world: World, tier: Tier) -> None:
    async def story() -> None:
        [message] = (await world.submit(tier=tier)).messages
        assert world.lanes.take() == [message.id]
        assert await world.clock.requeue() == 0
        world.time.advance(timedelta(seconds=30))
        assert await world.clock.requeue() == 1
        await world.clock.fill()
        assert world.lanes.take() == [message.id]

    world.run(story)


def test_a_message_whose_window_is_over_ends_as_27_and_is_refunded(world: World) -> None:
    async def story() -> None:
        [message] = (await world.submit(after=HOUR, until=2 * HOUR)).messages
        world.time.advance(2 * HOUR - TICK)
        assert await world.clock.expire() == 0
        world.time.advance(TICK)
        assert await world.clock.release() == 0
        assert await world.clock.expire() == 1
        assert (await world.events(message.id))[-1] == (27, "its window is over")
        assert await world.balance() == 10_000

    world.run(story)


def test_a_message_is_refunded_once(world: World) -> None:
    async def story() -> None:
        await world.submit(numbers(50), until=SECOND)
        world.time.advance(SECOND)
        for _ in range(3):
            await world.clock.expire()
        assert await world.balance() == 10_000
        assert len(await world.all("SELECT 1 FROM ledger WHERE kind = 'refund'")) == 50

    world.run(story)


def test_a_message_without_a_receipt_stays_sent_with_one_event_about_it(world: World) -> None:
    async def story() -> None:
        world.sim.always(Accepted(("r",)))
        [message] = (await world.submit()).messages
        await world.deliver()
        world.time.advance(timedelta(hours=72))
        assert [await world.clock.no_receipt() for _ in range(2)] == [1, 0]
        assert (await world.events(message.id))[-1] == (12, "no_receipt")

    world.run(story)


async def _ready(world: World, account_id: int, flow: int, count: int) -> None:
    await world.all(
        """
        WITH b AS (
            INSERT INTO batches (public_id, account_id, dialect, tier, not_before, not_after, created_at)
            VALUES (gen_random_uuid(), :account, 'test', 'bulk', :now, :later, :now) RETURNING id
        )
        INSERT INTO messages (public_id, batch_id, account_id, tier, number, number_as_given, country, text,
                              segments, not_before, not_after, status, place, flow, created_at, moved_at)
        SELECT gen_random_uuid(), b.id, :account, 'bulk', '+254700000000', '', 'KE', 'x', 1, :now, :later,
               11, 'ready', :flow, :now, :now FROM b, generate_series(1, CAST(:count AS integer))
        """,
        account=account_id,
        flow=flow,
        count=count,
        now=world.time.now(),
        later=world.time.now() + HOUR,
    )


async def _filled(world: World) -> dict[tuple[int, int], int]:
    """Empty the lane, fill it, and return the number of messages of each account and flow."""
    await _drain(world)
    await world.clock.fill()
    rows = await world.all(
        "SELECT account_id, flow, count(*) AS n FROM messages WHERE place = 'lane' GROUP BY account_id, flow"
    )
    return {(row.account_id, row.flow): row.n for row in rows}


def test_accounts_take_turns_and_so_do_the_runs_and_other_messages_of_each(world: World) -> None:
    async def story() -> None:
        one, other = world.caller.account.id, (await world.another_account("other")).account.id
        for account_id, flow in ((one, 0), (one, 1), (one, 2), (other, 3)):
            await _ready(world, account_id, flow, 2000)
        room = SHALLOW[Tier.BULK]
        third = -(-room // 6)
        own = {(one, flow): third for flow in (0, 1, 2)}
        assert await _filled(world) == own | {(other, 3): room / 2}

    world.run(story)


def test_a_large_run_does_not_delay_another_run_of_its_account(world: World) -> None:
    async def story() -> None:
        one = world.caller.account.id
        await _ready(world, one, 1, 20_000)
        await _filled(world)
        await _ready(world, one, 2, 100)
        assert (await _filled(world))[one, 2] == 100

    world.run(story)


def test_a_hundred_messages_pass_the_100000_of_another_account(world: World) -> None:
    async def story() -> None:
        await world.all(
            """
            WITH b AS (
                INSERT INTO batches (public_id, account_id, dialect, tier, not_before, not_after, created_at)
                VALUES (gen_random_uuid(), :account, 'test', 'bulk', :now, :later, :now) RETURNING id
            )
            INSERT INTO messages (public_id, batch_id, account_id, tier, number, number_as_given, country,
                                  text, segments, not_before, not_after, status, place, created_at, moved_at)
            SELECT gen_random_uuid(), b.id, :account, 'bulk', '+254700000000', '', 'KE', 'x', 1, :now, :later,
                   11, 'ready', :now, :now FROM b, generate_series(1, 100000)
            """,
            account=world.caller.account.id,
            now=world.time.now(),
            later=world.time.now() + HOUR,
        )
        await world.clock.fill()
        assert len(world.lanes.take()) == SHALLOW[Tier.BULK]
        small = await world.another_account("small")
        batch = await world.submit(numbers(100), tier=Tier.BULK, caller=small)
        assert world.lanes.take() == []
        wanted = {m.id for m in batch.messages}
        seen: set[int] = set()
        for _ in range(3):
            await world.all(
                "UPDATE messages SET place = NULL, status = 12, wake_at = NULL WHERE place = 'lane'"
            )
            world.time.advance(SECOND)
            await world.clock.fill()
            seen |= wanted & set(world.lanes.take())
        assert seen == wanted

    world.run(story, credits=200_000)


def test_two_clocks_fill_a_lane_no_deeper_than_one(world: World) -> None:
    async def story() -> None:
        await _ready(world, world.caller.account.id, 1, 4 * SHALLOW[Tier.BULK])
        await asyncio.gather(*(Clock(world.ctx).fill() for _ in range(3)))
        assert (await _places(world))[Place.LANE] == SHALLOW[Tier.BULK]

    world.run(story)


def test_a_lane_that_drains_fast_is_kept_deeper(world: World) -> None:
    async def story() -> None:
        await world.submit(numbers(6000), tier=Tier.BULK)
        sizes = []
        for _ in range(3):
            await world.clock.fill()
            sizes.append(len(world.lanes.take()))
            await world.all(
                "UPDATE messages SET place = NULL, status = 12, wake_at = NULL WHERE place = 'lane'"
            )
            world.time.advance(SECOND)
        assert sizes == [500, 1000, 2000]

    world.run(story)


def test_a_message_with_room_goes_straight_to_its_lane_and_a_flood_waits_in_postgres(world: World) -> None:
    async def story() -> None:
        await world.submit(numbers(100), tier=Tier.BULK)
        assert len(world.lanes.take()) == 100
        await world.submit(numbers(1000), tier=Tier.BULK)
        assert world.lanes.take() == []
        places = await world.all("SELECT place, count(*) AS n FROM messages GROUP BY place")
        assert {row.place: row.n for row in places} == {Place.LANE: 100, Place.READY: 1000}
        assert (await world.one("SELECT min(status) AS s FROM messages")).s == Status.PENDING

    world.run(story)


def test_a_tick_runs_all_duties_of_every_second(world: World) -> None:
    async def story() -> None:
        [over] = (await world.submit(until=SECOND)).messages
        [due] = (await world.submit(after=HOUR)).messages
        [lost] = (await world.submit()).messages
        [stuck] = (await world.submit()).messages
        await world.claim(stuck.id)
        world.time.advance(HOUR)
        await world.clock.tick()
        world.time.advance(HOUR)  # rescue waits one lease after the clock itself started
        await world.clock.tick()
        await world.clock.tick()  # the duties run side by side: what one made ready the next fill takes
        assert (await world.row(over.id)).status == Status.EXPIRED
        assert (await world.row(due.id)).place == Place.LANE
        assert (await world.row(lost.id)).place == Place.LANE
        assert (await world.row(stuck.id)).doubts == 1

    world.run(story)


def test_a_tick_skips_duties_that_still_run_and_runs_the_rest_if_one_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    go_on = asyncio.Event()

    async def hangs() -> int:
        begun.append("expire")
        await go_on.wait()
        return 0

    async def fails() -> int:
        begun.append("rescue")
        raise Unavailable("Postgres is away")

    async def story() -> None:
        monkeypatch.setattr(world.clock, "expire", hangs)
        monkeypatch.setattr(world.clock, "rescue", fails)
        first = asyncio.create_task(world.clock.tick())
        await asyncio.sleep(0.1)
        with pytest.raises(Unavailable):
            await world.clock.tick()
        assert begun == ["expire", "rescue", "rescue"]
        go_on.set()
        with pytest.raises(Unavailable):
            await first
        with pytest.raises(Unavailable):
            await world.clock.tick()
        assert begun.count("expire") == 2

    world.run(story)


def test_the_errors_of_several_duties_of_a_tick_are_all_reported(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_away() -> int:
        raise Unavailable("Postgres is away")

    async def no_receipt() -> int:
        raise ValueError("a bug\nDETAIL:  Failing row contains (+254712345678)")

    async def story() -> None:
        monkeypatch.setattr(world.clock, "expire", is_away)
        monkeypatch.setattr(world.clock, "no_receipt", no_receipt)
        with capture_logs() as lines, pytest.raises(Unavailable):
            await world.clock.tick()
        [line] = [line for line in lines if line["event"] == "duty_failed"]
        event = _without_rows(None, "error", line)
        assert (event["duty"], event["error"]) == ("no_receipt", "ValueError: a bug\nDETAIL: (not logged)\n")

    world.run(story)
