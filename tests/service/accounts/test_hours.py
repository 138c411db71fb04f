"""Allowed hours: no message is sent outside them, and each message says what it waits for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dispatcher.domain.delivery.provider import Deferred, Gate, Outcome, Outgoing, ProviderConfig
from dispatcher.domain.hours.allowed_hours import AllowedHours, parse_hours
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.messages.submission import AcceptedMessage
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import hours
from dispatcher.service.messages.explain import explain
from dispatcher.service.messages.search import history
from tests.world import NUMBER, ScriptedProvider, World

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAYTIME = parse_hours({"mon-fri": ["08:00-20:00"]})
ALWAYS = parse_hours({"mon-sun": ["00:00-24:00"]})
BULK, STANDARD, CRITICAL = Tier.BULK, Tier.STANDARD, Tier.CRITICAL

NAIROBI = ZoneInfo("Africa/Nairobi")
NEW_YORKER, RUSSIAN = "+12122345678", "+79161234567"


def at(text: str, zone: ZoneInfo = NAIROBI) -> datetime:
    """Return a local time of a place in the first week of June 2030; the 3rd is a Monday."""
    return datetime.fromisoformat(f"2030-06-{text}").replace(tzinfo=zone).astimezone(UTC)


NOON, EVENING, MORNING = at("03 12:00"), at("03 21:00"), at("04 08:00")


async def allow(world: World, allowed: AllowedHours | None, *tiers: Tier) -> None:
    await hours.set(world.ctx, world.caller.account, tiers or hours.DEFAULT_TIERS, allowed)


async def submitted(world: World, now: datetime, **more: object) -> AcceptedMessage:
    world.time.at = now
    [message] = (await world.submit(**more)).messages  # type: ignore[arg-type]
    return message


async def go_on(world: World, to: datetime) -> None:
    """Run the clock and a worker at this time."""
    world.time.at = to
    await world.clock.expire()
    await world.clock.release()
    await world.clock.fill()
    await world.deliver()


async def explained(world: World, message_id: int) -> str:
    consumed = dict.fromkeys(("clock", "critical", "standard", "bulk", "system"), world.time.now())
    return " ".join(explain(await history(world.ctx, message_id), now=world.time.now(), consumed=consumed))


# When it is accepted


def test_within_hours_a_message_is_sent_at_once_and_has_their_closing_time(world: World) -> None:
    async def story() -> None:
        await allow(world, DAYTIME)
        message = await submitted(world, NOON)
        row = await world.row(message.id)
        assert (row.status, row.place, row.closes_at) == (11, Place.LANE, at("03 20:00"))
        await world.deliver()
        assert (await world.row(message.id)).status == Status.SENT

    world.run(story)


def test_outside_hours_a_message_waits_for_the_opening_in_its_recipients_zone(world: World) -> None:
    async def story() -> None:
        await allow(world, DAYTIME)
        message = await submitted(world, EVENING)
        row = await world.row(message.id)
        assert message.status is Status.SCHEDULED
        assert (row.place, row.wake_at, row.closes_at) == (Place.HELD, MORNING, at("04 20:00"))
        said = "waits for allowed hours: 2030-06-04 08:00 Africa/Nairobi"
        assert await world.events(message.id) == [(10, said)]
        assert await explained(world, message.id) == (
            "It waits for allowed hours until 2030-06-04 08:00 Africa/Nairobi (in 11 h)."
        )
        await go_on(world, MORNING - MINUTE)
        assert world.sim.seen == []
        await go_on(world, MORNING)
        assert (await world.row(message.id)).status == Status.SENT

    world.run(story)


def test_a_scheduled_message_waits_for_its_start_and_then_for_hours(world: World) -> None:
    async def story() -> None:
        await allow(world, DAYTIME)
        inside = await submitted(world, NOON, after=HOUR)
        outside = await submitted(world, NOON, after=9 * HOUR)
        assert await world.events(inside.id) == [(10, "accepted")]
        assert "It waits for its time" in await explained(world, inside.id)
        row = await world.row(outside.id)
        assert (row.status, row.wake_at, row.not_before) == (10, MORNING, EVENING)

    world.run(story)


def test_a_message_whose_window_ends_before_hours_open_is_refused_and_costs_nothing(
    world: World,
) -> None:
    async def story() -> None:
        await allow(world, DAYTIME)
        message = await submitted(world, EVENING, until=HOUR)
        assert message.status is Status.EXPIRED
        assert (await world.row(message.id)).closes_at is None
        said = "outside allowed hours (opens 2030-06-04 08:00 Africa/Nairobi) and its window is over by then"
        assert await world.events(message.id) == [(27, said)]
        assert await world.balance() == 10_000

    world.run(story)


def test_each_recipient_of_a_batch_has_the_hours_of_its_own_zone(world: World) -> None:
    async def story() -> None:
        await allow(world, DAYTIME)
        world.time.at = EVENING
        batch = await world.submit([NUMBER, NEW_YORKER, RUSSIAN], until=13 * HOUR)
        _, american, russian = batch.messages
        assert [m.status for m in batch.messages] == [Status.SCHEDULED, Status.PENDING, Status.SCHEDULED]
        # A number without an area code may be in any zone of its country: the westernmost opens last.
        assert (await world.row(russian.id)).wake_at == at("04 08:00", ZoneInfo("Europe/Kaliningrad"))
        assert (await world.events(russian.id))[0][1].endswith("2030-06-04 08:00 Europe/Kaliningrad")
        assert (await world.row(american.id)).closes_at == at("03 20:00", ZoneInfo("America/New_York"))
        assert batch.charged == 3

    world.run(story)


def test_critical_messages_are_sent_at_any_hour_by_default(world: World) -> None:
    async def story() -> None:
        await allow(world, DAYTIME)
        assert (await submitted(world, EVENING, tier=CRITICAL)).status is Status.PENDING
        await allow(world, DAYTIME, CRITICAL)
        assert (await submitted(world, EVENING, tier=CRITICAL, until=12 * HOUR)).status is Status.SCHEDULED

    world.run(story)


def test_hours_of_the_settings_apply_to_a_tier_without_hours_of_the_account(world: World) -> None:
    world.settings = world.settings.model_copy(update={"hours": {BULK: DAYTIME}})

    async def story() -> None:
        assert (await submitted(world, EVENING, tier=BULK)).status is Status.SCHEDULED
        assert (await submitted(world, EVENING, tier=STANDARD)).status is Status.PENDING
        await allow(world, ALWAYS, BULK)
        assert (await submitted(world, EVENING, tier=BULK)).status is Status.PENDING
        await allow(world, None, BULK)
        assert await hours.of_account(world.ctx, world.caller.account) == {BULK: DAYTIME}
        assert await hours.own(world.ctx, world.caller.account) == {}

    world.run(story)


def test_hours_of_one_account_do_not_apply_to_another(world: World) -> None:
    async def story() -> None:
        await allow(world, DAYTIME)
        other = await world.another_account("bank")
        assert (await submitted(world, EVENING, caller=other)).status is Status.PENDING

    world.run(story)


# When a worker reads it


def test_a_message_whose_hours_end_in_its_lane_waits_for_the_next_opening(world: World) -> None:
    async def story() -> None:
        await allow(world, DAYTIME)
        message = await submitted(world, at("03 19:59"))
        ids = world.lanes.take()
        world.time.at = at("03 20:00")
        await world.deliver(ids)
        row = await world.row(message.id)
        assert (row.status, row.place, row.wake_at, row.closes_at) == (11, "held", MORNING, at("04 20:00"))
        assert world.lanes.wakes[-1] == MORNING
        assert await world.events(message.id) == [
            (11, "accepted"),
            (11, "waits for allowed hours: 2030-06-04 08:00 Africa/Nairobi"),
        ]
        assert "It waits for allowed hours until 2030-06-04 08:00" in await explained(world, message.id)
        await go_on(world, MORNING)
        assert (await world.row(message.id)).status == Status.SENT

    world.run(story)


def test_a_message_whose_window_ends_before_the_next_opening_is_cancelled_and_refunded(world: World) -> None:
    async def story() -> None:
        await allow(world, DAYTIME)
        message = await submitted(world, at("03 19:00"), until=2 * HOUR)
        assert await world.balance() == 9_999
        world.time.at = at("03 20:00")
        await world.deliver()
        row = await world.row(message.id)
        assert (row.status, world.sim.seen) == (27, [])
        assert row.reason.startswith("outside allowed hours (opens 2030-06-04 08:00 Africa/Nairobi)")
        assert await world.balance() == 10_000

    world.run(story)


def test_hours_set_after_a_message_was_accepted_apply_when_it_is_due(world: World) -> None:
    async def story() -> None:
        message = await submitted(world, EVENING)
        await allow(world, DAYTIME)
        await world.deliver()
        row = await world.row(message.id)
        assert (row.place, row.wake_at, world.sim.seen) == (Place.HELD, MORNING, [])

    world.run(story)


def test_shorter_hours_apply_to_a_message_accepted_under_longer_ones(world: World) -> None:
    async def story() -> None:
        await allow(world, parse_hours({"mon-fri": ["08:00-22:00"]}))
        message = await submitted(world, EVENING)
        await allow(world, DAYTIME)
        await world.deliver()
        assert (await world.row(message.id)).wake_at == MORNING

    world.run(story)


def test_a_message_is_sent_when_its_hours_are_removed(world: World) -> None:
    async def story() -> None:
        await allow(world, DAYTIME)
        message = await submitted(world, at("03 19:59"))
        await allow(world, None)
        world.time.at = EVENING
        await world.deliver()
        assert (await world.row(message.id)).status == Status.SENT

    world.run(story)


def test_a_try_that_fails_before_closing_time_is_retried_after_the_next_opening(world: World) -> None:
    async def story() -> None:
        await allow(world, DAYTIME)
        message = await submitted(world, at("03 19:59"))
        world.sim.always(Deferred("busy", after=2 * MINUTE))
        await world.deliver()
        row = await world.row(message.id)
        assert (row.status, row.place, row.closes_at) == (11, Place.HELD, None)
        assert "It waits for try 2" in await explained(world, message.id)
        world.sim.answer = None
        await go_on(world, row.wake_at)
        row = await world.row(message.id)
        assert (row.attempt, row.place, row.wake_at, len(world.sim.seen)) == (1, Place.HELD, MORNING, 1)
        assert "It waits for allowed hours" in await explained(world, message.id)
        await go_on(world, MORNING)
        assert (await world.row(message.id)).status == Status.SENT

    world.run(story)


def test_a_message_that_waits_for_a_token_does_not_say_that_it_waits_for_hours(world: World) -> None:
    world.configs["sim"] = ProviderConfig(name="sim", plugin="test", options={}, tps=5)

    async def story() -> None:
        await allow(world, DAYTIME)
        world.time.at = NOON
        await world.submit([f"+2547123456{n:02}" for n in range(60)])
        await world.clock.fill()
        await world.deliver()
        held = await world.all("SELECT * FROM messages WHERE place = 'held'")
        assert {row.closes_at for row in held} == {None}
        assert "It waits: the rate of sim is used up" in await explained(world, held[0].id)

    world.run(story)


def test_no_other_provider_is_called_after_closing_time(world: World) -> None:
    world.providers = {"first": ScriptedProvider(), "second": ScriptedProvider()}

    async def closes(_: Outgoing) -> Outcome:
        world.time.at = at("03 20:00")
        return Deferred("busy")

    async def story() -> None:
        world.providers["first"].answer = closes
        await allow(world, DAYTIME)
        message = await submitted(world, at("03 19:59:50"))
        await world.deliver()
        row = await world.row(message.id)
        assert (row.status, row.place) == (11, Place.HELD)
        assert (len(world.providers["first"].seen), world.providers["second"].seen) == (1, [])

    world.run(story)


def test_the_gate_of_a_provider_closes_when_hours_end(world: World) -> None:
    @dataclass
    class Slow(ScriptedProvider):
        async def send(self, batch: Sequence[Outgoing], gate: Gate) -> Sequence[Outcome]:
            world.time.at = at("03 20:00")
            return await ScriptedProvider.send(self, batch, gate)

    world.providers = {"sim": Slow()}

    async def story() -> None:
        await allow(world, DAYTIME)
        await submitted(world, at("03 19:59:50"))
        await world.deliver()
        assert world.sim.seen == []

    world.run(story)


def test_a_campaigns_own_hours_override_those_of_its_account(world: World) -> None:
    async def story() -> None:
        await allow(world, DAYTIME)
        evening_only = parse_hours({"mon-fri": ["18:00-22:00"]})
        message = await submitted(world, NOON)
        await of_campaign(world, message, evening_only)
        await world.deliver()
        row = await world.row(message.id)
        assert (row.wake_at, row.closes_at) == (at("03 18:00"), at("03 22:00"))
        await go_on(world, EVENING)
        assert (await world.row(message.id)).status == Status.SENT

    world.run(story)


def test_a_campaign_without_hours_has_those_of_its_account(world: World) -> None:
    async def story() -> None:
        await allow(world, DAYTIME)
        message = await submitted(world, at("03 19:59"))
        await of_campaign(world, message, None)
        world.time.at = EVENING
        await world.deliver()
        assert (await world.row(message.id)).wake_at == MORNING

    world.run(story)


async def of_campaign(world: World, message: AcceptedMessage, own: AllowedHours | None) -> None:
    """Make a message part of a campaign's run."""
    written = None if own is None else str(own.as_dict()).replace("'", '"').replace("None", "null")
    await world.all(
        """
        WITH a AS (
            INSERT INTO audiences (public_id, account_id, name, state, columns)
            VALUES (gen_random_uuid(), :account, 'all', 'ready', '{}') RETURNING id
        ),
        c AS (
            INSERT INTO campaigns (public_id, account_id, name, state, audience_id, text, sender_id, tier,
                                   timezone, first_at, hours)
            SELECT gen_random_uuid(), :account, 'sale', 'active', a.id, 'Hi', :sender, 'standard', 'UTC',
                   :now, CAST(:hours AS jsonb)
            FROM a RETURNING id
        ),
        r AS (
            INSERT INTO runs (campaign_id, due_at, starts_at, state, zone_ranks, zone_positions, total)
            SELECT c.id, :now, :now, 'sending', '{}', '{}', 1 FROM c RETURNING id
        )
        UPDATE batches b SET run_id = r.id FROM r, messages m WHERE m.batch_id = b.id AND m.id = :message
        """,
        account=world.caller.account.id,
        sender=world.sender_id,
        now=world.time.now(),
        hours=written,
        message=message.id,
    )


@pytest.mark.parametrize("tiers", [(BULK,), (BULK, STANDARD), tuple(Tier)])
def test_hours_are_set_for_tiers_and_removed_again(world: World, tiers: tuple[Tier, ...]) -> None:
    async def story() -> None:
        account = world.caller.account
        await hours.set(world.ctx, account, tiers, ALWAYS)
        await hours.set(world.ctx, account, tiers, DAYTIME)
        assert await hours.own(world.ctx, account) == dict.fromkeys(tiers, DAYTIME)
        await hours.set(world.ctx, account, tiers[:1], None)
        assert await hours.own(world.ctx, account) == dict.fromkeys(tiers[1:], DAYTIME)

    world.run(story)
