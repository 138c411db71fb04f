"""Quotas: off unless set; a refusal says which quota was exceeded and for how long."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.domain.accounts.account import AccountLimits, Caller
from dispatcher.domain.errors import Forbidden, Invalid, LimitExceeded
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.settings import RepeatPolicy, Settings
from tests.world import NUMBER, World

OTHER = "+254712345679"
MINUTE = timedelta(minutes=1)


def _world(settings: Settings, **changed: object) -> World:
    return World(settings.model_copy(update=changed))


async def _limited(world: World, limits: AccountLimits) -> Caller:
    account = await accounts.set_limits(world.ctx, world.caller.account, limits)
    found = await accounts.find(world.ctx, account.name)
    assert found.limits == limits
    return Caller(found, "test")


def test_no_quota_applies_unless_it_is_set(world: World) -> None:
    async def story() -> None:
        for _ in range(3):
            batch = await world.submit(tier=Tier.CRITICAL)
            assert batch.messages[0].status is Status.PENDING

    world.run(story)


def test_the_same_text_to_the_same_number_is_refused_for_a_while(settings: Settings) -> None:
    world = _world(settings, repeat_window=60)

    async def story() -> None:
        await world.submit()
        world.time.advance(timedelta(seconds=20))
        with pytest.raises(LimitExceeded, match="5678 was sent the same text 20 seconds ago") as caught:
            await world.submit([OTHER, NUMBER])
        assert caught.value.retry_after == timedelta(seconds=40)
        assert await world.balance() == 9_999
        await world.submit(text="Another text")
        await world.submit(OTHER)
        world.time.advance(timedelta(seconds=41))
        await world.submit()

    world.run(story)


def test_another_account_may_send_the_same(settings: Settings) -> None:
    world = _world(settings, repeat_window=60)

    async def story() -> None:
        await world.submit()
        await world.submit(caller=await world.another_account("other"))

    world.run(story)


def test_a_text_can_be_sent_again_after_its_message_was_cancelled(settings: Settings) -> None:
    world = _world(settings, repeat_window=60)

    async def story() -> None:
        first = await world.submit(after=MINUTE)
        await world.one("UPDATE messages SET status = 90, place = NULL, wake_at = NULL RETURNING id")
        again = await world.submit(after=MINUTE)
        assert again.id != first.id

    world.run(story)


def test_of_two_concurrent_repeats_one_is_refused(settings: Settings) -> None:
    world = _world(settings, repeat_window=60)

    async def story() -> None:
        ended = await asyncio.gather(*(world.submit() for _ in range(4)), return_exceptions=True)
        assert sum(isinstance(end, LimitExceeded) for end in ended) == 3

    world.run(story)


def test_a_joined_repeat_returns_the_earlier_message(settings: Settings) -> None:
    world = _world(settings, repeat_window=60, repeat_policy=RepeatPolicy.JOIN)

    async def story() -> None:
        first = await world.submit([NUMBER, OTHER])
        again = await world.submit([OTHER, NUMBER])
        assert (again.id, again.public_id) == (first.id, first.public_id)
        assert [m.id for m in again.messages] == [first.messages[1].id, first.messages[0].id]
        assert again.charged == 0
        assert len(world.lanes.take()) == 2

    world.run(story)


def test_a_partly_joined_submission_sends_only_its_new_messages(settings: Settings) -> None:
    world = _world(settings, repeat_window=60, repeat_policy=RepeatPolicy.JOIN)

    async def story() -> None:
        first = await world.submit()
        both = await world.submit([NUMBER, OTHER])
        assert both.id != first.id
        assert both.messages[0].id == first.messages[0].id
        assert both.charged == 1
        assert world.lanes.take() == [first.messages[0].id, both.messages[1].id]

    world.run(story)


def test_critical_messages_to_one_number_are_limited_per_hour(settings: Settings) -> None:
    world = _world(settings, critical_per_hour=2)

    async def story() -> None:
        await world.submit(tier=Tier.CRITICAL, text="1")
        world.time.advance(MINUTE)
        await world.submit(tier=Tier.CRITICAL, text="2")
        with pytest.raises(LimitExceeded, match="2 critical messages within an hour") as caught:
            await world.submit(tier=Tier.CRITICAL, text="3")
        assert caught.value.retry_after == 59 * MINUTE
        await world.submit(tier=Tier.STANDARD, text="3")
        await world.submit(OTHER, tier=Tier.CRITICAL, text="3")
        world.time.advance(59 * MINUTE)
        await world.submit(tier=Tier.CRITICAL, text="4")

    world.run(story)


def test_messages_of_an_account_are_limited_per_day(world: World) -> None:
    async def story() -> None:
        world.time.at = datetime(2030, 5, 17, 23, 0, tzinfo=UTC)
        caller = await _limited(world, AccountLimits(daily=3))
        await world.submit([NUMBER, OTHER], caller=caller)
        with pytest.raises(LimitExceeded, match="3 messages a day") as caught:
            await world.submit([NUMBER, OTHER], caller=caller)
        assert caught.value.retry_after == timedelta(hours=1)
        await world.submit(caller=caller)
        world.time.advance(timedelta(hours=1))
        await world.submit([NUMBER, OTHER, NUMBER], caller=caller)

    world.run(story)


def test_the_daily_cap_is_exact_under_concurrent_submissions(world: World) -> None:
    async def story() -> None:
        caller = await _limited(world, AccountLimits(daily=5))
        ended = await asyncio.gather(
            *(world.submit(caller=caller) for _ in range(12)), return_exceptions=True
        )
        assert sum(isinstance(end, LimitExceeded) for end in ended) == 7
        assert (await world.one("SELECT count(*) AS n FROM messages")).n == 5

    world.run(story)


def test_the_daily_cap_is_exact_over_two_processes(world: World) -> None:
    async def story() -> None:
        caller = await _limited(world, AccountLimits(daily=3))
        other = World(world.settings)
        async with asyncio.timeout(60), other.open():
            async with world.locked("accounts") as until_blocked:
                both = [
                    asyncio.create_task(one.submit([NUMBER, OTHER], caller=caller)) for one in (world, other)
                ]
                await until_blocked(2)
            ended = await asyncio.gather(*both, return_exceptions=True)
        assert sum(isinstance(end, LimitExceeded) for end in ended) == 1
        assert (await world.one("SELECT count(*) AS n FROM messages")).n == 2

    world.run(story)


def test_a_country_that_is_not_allowed_is_refused_as_28_and_free(world: World) -> None:
    async def story() -> None:
        caller = await _limited(world, AccountLimits(countries=frozenset({"FR"})))
        batch = await world.submit([NUMBER, "+33612345678"], caller=caller)
        assert [m.status for m in batch.messages] == [Status.NO_ROUTE, Status.PENDING]
        assert batch.charged == 1
        [(_, reason)] = await world.events(batch.messages[0].id)
        assert reason == "the account may not write to KE; it may write to FR"

    world.run(story)


def test_an_account_gets_no_higher_tier_than_its_own(world: World) -> None:
    async def story() -> None:
        caller = await _limited(world, AccountLimits(tier=Tier.STANDARD))
        assert (await world.submit(tier=Tier.CRITICAL, caller=caller)).tier is Tier.STANDARD
        assert (await world.submit(tier=Tier.BULK, caller=caller)).tier is Tier.BULK

    world.run(story)


def test_a_paused_account_can_submit_nothing_until_it_is_resumed(world: World) -> None:
    async def story() -> None:
        await accounts.pause(world.ctx, world.caller.account)
        paused = Caller(await accounts.find(world.ctx, "shop"), "test")
        with pytest.raises(Forbidden, match="'shop' is paused"):
            await world.submit(caller=paused)
        await accounts.pause(world.ctx, paused.account, paused=False)
        await world.submit(caller=Caller(await accounts.find(world.ctx, "shop"), "test"))

    world.run(story)


@pytest.mark.parametrize(
    "limits",
    [
        AccountLimits(rate=0),
        AccountLimits(rate=10**10),
        AccountLimits(daily=-1),
        AccountLimits(countries=frozenset({"Kenya"})),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(world: World, limits: AccountLimits) -> None:
    async def story() -> None:
        with pytest.raises(Invalid):
            await accounts.set_limits(world.ctx, world.caller.account, limits)

    world.run(story)


@pytest.mark.parametrize("policy", list(RepeatPolicy))
def test_a_repeat_through_another_dialect_is_refused_because_ids_belong_to_a_dialect(
    settings: Settings, policy: RepeatPolicy
) -> None:
    world = _world(settings, repeat_window=60, repeat_policy=policy)

    async def story() -> None:
        await world.submit()
        with pytest.raises(LimitExceeded):
            await world.submit(caller=Caller(world.caller.account, "another"))

    world.run(story)


def test_a_repeat_of_parts_of_several_batches_is_refused(settings: Settings) -> None:
    world = _world(settings, repeat_window=60, repeat_policy=RepeatPolicy.JOIN)

    async def story() -> None:
        await world.submit(NUMBER)
        await world.submit(OTHER)
        with pytest.raises(LimitExceeded):
            await world.submit([NUMBER, OTHER])

    world.run(story)
