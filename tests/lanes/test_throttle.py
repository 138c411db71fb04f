"""The rate of a provider, shared by all processes, with a part kept for the higher tiers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import fakeredis
import pytest
from redis.asyncio import Redis

from dispatcher.domain.tier import Tier
from dispatcher.lanes.connect import open_async_redis
from dispatcher.lanes.throttle import HORIZON, Throttle, Token

Ask = Callable[..., Awaitable[list[Token]]]


@pytest.fixture(params=["valkey", "fakeredis"])
def redis_maker(request: pytest.FixtureRequest) -> Callable[[], Redis]:
    """Make a client inside the loop that uses it."""
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
            return await throttle.take("p", tier, tps=tps, costs=[cost] * count)

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


def test_what_is_beyond_the_horizon_is_not_taken_and_told_when_to_come_back(
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
        await throttle.take("slow", Tier.BULK, tps=1, costs=[1] * 100)
        tokens = await throttle.take("fast", Tier.BULK, tps=1000, costs=[1])
        assert tokens == [Token(timedelta(), taken=True)]
        await redis.aclose()

    asyncio.run(story())


def test_without_redis_everything_comes_back_in_a_second() -> None:
    async def story() -> None:
        redis = open_async_redis("redis://127.0.0.1:1/0")
        tokens = await Throttle(redis).take("p", Tier.BULK, tps=10, costs=[1, 1])
        assert tokens == [Token(timedelta(seconds=1), taken=False)] * 2
        await redis.aclose()

    asyncio.run(story())
