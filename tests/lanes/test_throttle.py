"""The rate of a provider, shared by all processes, with a part reserved for the higher tiers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import fakeredis
import pytest
from redis.asyncio import Redis

from dispatcher.domain.tier import Tier
from dispatcher.lanes.connect import open_async_redis
from dispatcher.lanes.throttle import HORIZON, Throttle, Token, TokenCost

Ask = Callable[..., Awaitable[list[Token]]]


@pytest.fixture(params=["valkey", "fakeredis"])
def redis_maker(request: pytest.FixtureRequest) -> Callable[[], Redis]:
    """Return a maker of clients, to be called in the loop that uses them."""
    if request.param == "fakeredis":
        server = fakeredis.FakeServer()
        return lambda: fakeredis.FakeAsyncRedis(server=server)
    url = request.getfixturevalue("redis_url")
    return lambda: open_async_redis(url)


def _run(maker: Callable[[], Redis], story: Callable[[Ask], Awaitable[None]]) -> None:
    async def main() -> None:
        redis = maker()
        throttle = Throttle(redis)

        async def ask(
            count: int, tier: Tier = Tier.CRITICAL, *, tps: float = 100, cost: int = 1
        ) -> list[Token]:
            wanted = [TokenCost(cost, None)] * count
            return await throttle.take("p", tier, tps=tps, wanted=wanted, sender_tps={})

        await story(ask)
        await redis.aclose()

    asyncio.run(main())


def _taken(tokens: list[Token]) -> int:
    return sum(token.taken for token in tokens)


def test_tokens_come_at_the_rate_and_in_order(redis_maker: Callable[[], Redis]) -> None:
    async def story(ask: Ask) -> None:
        tokens = await ask(20, Tier.BULK, tps=100)
        waits = [token.wait for token in tokens]
        assert waits == sorted(waits)
        # Bulk may use 80 of the 100 a second: 12.5 ms apart, 20 ms of tolerance at the start.
        assert waits[0] == timedelta()
        assert waits[-1] == pytest.approx(
            timedelta(milliseconds=19 * 12.5 - 20), abs=timedelta(milliseconds=1)
        )
        assert all(token.taken for token in tokens)

    _run(redis_maker, story)


def test_a_token_beyond_the_horizon_is_not_taken_and_says_when_to_ask_again(
    redis_maker: Callable[[], Redis],
) -> None:
    async def story(ask: Ask) -> None:
        tokens = await ask(200, Tier.BULK, tps=100)
        assert 20 <= _taken(tokens) <= 23
        late = [token.wait for token in tokens if not token.taken]
        assert min(late) > HORIZON
        assert max(late) == pytest.approx(timedelta(seconds=199 / 80), abs=timedelta(milliseconds=30))

    _run(redis_maker, story)


def test_a_long_message_costs_its_segments(redis_maker: Callable[[], Redis]) -> None:
    async def story(ask: Ask) -> None:
        assert _taken(await ask(100, Tier.BULK, tps=100, cost=3)) <= 8

    _run(redis_maker, story)


def test_bulk_at_its_limit_never_makes_critical_wait_for_a_token(redis_maker: Callable[[], Redis]) -> None:
    async def story(ask: Ask) -> None:
        await ask(500, Tier.BULK, tps=100)
        await ask(500, Tier.STANDARD, tps=100)
        tokens = await ask(3, Tier.CRITICAL, tps=100)
        assert [token.wait for token in tokens] == [timedelta()] * 3

    _run(redis_maker, story)


def test_providers_do_not_share_their_tokens(redis_url: str) -> None:
    async def story() -> None:
        redis = open_async_redis(redis_url)
        throttle = Throttle(redis)
        await throttle.take("slow", Tier.BULK, tps=1, wanted=[TokenCost(1, None)] * 100, sender_tps={})
        tokens = await throttle.take("fast", Tier.BULK, tps=1000, wanted=[TokenCost(1, None)], sender_tps={})
        assert tokens == [Token(timedelta(), taken=True)]
        await redis.aclose()

    asyncio.run(story())


def test_without_redis_each_token_is_due_in_a_second() -> None:
    async def story() -> None:
        redis = open_async_redis("redis://127.0.0.1:1/0")
        wanted = [TokenCost(1, None), TokenCost(1, None)]
        tokens = await Throttle(redis).take("p", Tier.BULK, tps=10, wanted=wanted, sender_tps={})
        assert tokens == [Token(timedelta(seconds=1), taken=False)] * 2
        await redis.aclose()

    asyncio.run(story())


def _taken_by(tokens: list[Token], wanted: list[TokenCost], sender: str | None) -> int:
    return sum(t.taken for t, (_, name) in zip(tokens, wanted, strict=True) if name == sender)


def test_a_sender_has_its_own_rate_and_does_not_delay_others(
    redis_maker: Callable[[], Redis],
) -> None:
    async def main() -> None:
        redis = redis_maker()
        rates = {"SLOW": 4.0, "*": 40.0}
        wanted: list[TokenCost] = (
            [TokenCost(1, "SLOW")] * 50 + [TokenCost(1, "SHOP")] * 9 + [TokenCost(1, None)] * 20
        )
        tokens = await Throttle(redis).take("p", Tier.BULK, tps=200, wanted=wanted, sender_tps=rates)
        # Bulk may use 0.8 of each rate for 250 ms and the first: 3.2 and 32 a second.
        assert _taken_by(tokens, wanted, "SLOW") == 1
        assert _taken_by(tokens, wanted, "SHOP") == 9
        assert _taken_by(tokens, wanted, None) == 20
        # The 49 that are late took nothing of the provider's rate: 30 tokens at 160 a second.
        assert tokens[-1].wait == pytest.approx(
            timedelta(seconds=29 / 160 - 0.02), abs=timedelta(milliseconds=1)
        )
        assert tokens[49].wait == pytest.approx(
            timedelta(seconds=49 / 3.2 - 0.02), abs=timedelta(milliseconds=1)
        )
        await redis.aclose()

    asyncio.run(main())


def test_a_sender_s_rate_is_shared_by_all_and_keeps_a_part_for_critical(
    redis_maker: Callable[[], Redis],
) -> None:
    async def main() -> None:
        one, other = redis_maker(), redis_maker()
        wanted: list[TokenCost] = [TokenCost(1, "SHOP")] * 30
        await Throttle(one).take("p", Tier.BULK, tps=1000, wanted=wanted, sender_tps={"SHOP": 10})
        bulk = await Throttle(other).take("p", Tier.BULK, tps=1000, wanted=wanted, sender_tps={"SHOP": 10})
        assert sum(token.taken for token in bulk) == 0
        critical = await Throttle(other).take(
            "p", Tier.CRITICAL, tps=1000, wanted=wanted[:1], sender_tps={"SHOP": 10}
        )
        assert critical == [Token(timedelta(), taken=True)]
        elsewhere = await Throttle(other).take(
            "q", Tier.BULK, tps=1000, wanted=wanted[:1], sender_tps={"SHOP": 10}
        )
        assert elsewhere == [Token(timedelta(), taken=True)]
        await one.aclose()
        await other.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("tier", Tier)
def test_no_tier_alone_exceeds_the_rate(redis_maker: Callable[[], Redis], tier: Tier) -> None:
    async def story(ask: Ask) -> None:
        tokens = await ask(200, tier, tps=100)
        assert _taken(tokens) <= 28  # 250 ms and the tolerance of 20, and the first

    _run(redis_maker, story)
