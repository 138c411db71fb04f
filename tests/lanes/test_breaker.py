"""Breakers shared by all processes: summed counts, and each move made once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import fakeredis
import pytest
from redis.asyncio import Redis

from dispatcher.domain.delivery.provider import Accepted, Unsent
from dispatcher.domain.routing.breaker import BreakerState, CallTally
from dispatcher.domain.routing.provider_state import BreakerPhase
from dispatcher.lanes.breaker import BreakerMove, Breakers
from dispatcher.lanes.connect import open_async_redis

SINCE = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OPEN = BreakerState(BreakerPhase.OPEN, SINCE, 'say "no"', SINCE + timedelta(seconds=6), opened=2)
HALF = BreakerState(BreakerPhase.HALF_OPEN, SINCE, "its pause is over", opened=2)


@pytest.fixture(params=["valkey", "fakeredis"])
def redis_maker(request: pytest.FixtureRequest) -> Callable[[], Redis]:
    """Return a maker of clients, to be called in the loop that uses them."""
    if request.param == "fakeredis":
        server = fakeredis.FakeServer()
        return lambda: fakeredis.FakeAsyncRedis(server=server)
    url = request.getfixturevalue("redis_url")
    return lambda: open_async_redis(url)


def _run(maker: Callable[[], Redis], story: Callable[[Breakers, Breakers], Awaitable[None]]) -> None:
    async def main() -> None:
        one, other = maker(), maker()
        await story(Breakers(one), Breakers(other))
        await one.aclose()
        await other.aclose()

    asyncio.run(main())


def _numbers(accepted: int, unsent: int = 0) -> list[int]:
    tally = CallTally(timedelta(seconds=5))
    for _ in range(accepted):
        tally.add([Accepted(())], seconds=0.03, segments=3)
    for _ in range(unsent):
        tally.add([Unsent("refused")], seconds=0, segments=3)
    return tally.take()[0]


def test_counts_of_all_processes_are_summed_for_each_provider(redis_maker: Callable[[], Redis]) -> None:
    async def story(one: Breakers, other: Breakers) -> None:
        await one.exchange(["a", "b"], {"a": _numbers(2), "b": _numbers(0, unsent=7)})
        result = await other.exchange(["a", "b"], {"a": _numbers(3, unsent=1)})
        assert result is not None
        a, b = result.known["a"].window, result.known["b"].window
        assert (a.tried, a.unsent, a.segments, a.latency) == (6, 1, 18, timedelta(milliseconds=35))
        assert (b.tried, b.unsent) == (7, 7)
        assert result.known["a"].state.breaker is BreakerPhase.CLOSED

    _run(redis_maker, story)


def test_a_move_is_made_once_and_its_window_starts_empty(redis_maker: Callable[[], Redis]) -> None:
    async def story(one: Breakers, other: Breakers) -> None:
        result = await one.exchange(["a", "b"], {"a": _numbers(0, unsent=9), "b": _numbers(1)})
        assert result is not None
        move = {"a": BreakerMove(result.known["a"].version, OPEN)}
        first = await one.exchange(["a", "b"], {}, move)
        second = await other.exchange(["a", "b"], {}, move)
        assert first is not None
        assert second is not None
        assert (first.known["a"].moved, second.known["a"].moved) == (True, False)
        assert first.known["a"].state == second.known["a"].state == OPEN
        assert second.known["a"].window.tried == 0
        assert (second.known["b"].window.tried, second.known["b"].moved) == (1, False)
        await other.exchange(["a"], {}, {"a": BreakerMove(second.known["a"].version, HALF)})
        assert await one.history("a") == [HALF, OPEN]

    _run(redis_maker, story)


def test_counts_reported_with_a_move_belong_to_the_new_window(redis_maker: Callable[[], Redis]) -> None:
    async def story(one: Breakers, other: Breakers) -> None:
        await one.exchange(["a"], {"a": _numbers(4)})
        result = await other.exchange(["a"], {"a": _numbers(1)}, {"a": BreakerMove(0, HALF)})
        assert result is not None
        assert result.known["a"].window.tried == 1

    _run(redis_maker, story)


def test_an_override_is_announced_to_all_processes(redis_maker: Callable[[], Redis]) -> None:
    async def story(one: Breakers, other: Breakers) -> None:
        before = await one.exchange(["a"], {})
        await other.announce_override()
        after = await one.exchange(["a"], {})
        assert before is not None
        assert after is not None
        assert after.overrides_version != before.overrides_version

    _run(redis_maker, story)


def test_without_redis_nothing_is_reported_and_nothing_fails() -> None:
    async def story() -> None:
        redis = open_async_redis("redis://127.0.0.1:1/0")
        breakers = Breakers(redis)
        assert await breakers.exchange(["a"], {"a": _numbers(1)}) is None
        assert await breakers.history("a") == []
        await breakers.announce_override()
        await redis.aclose()

    asyncio.run(story())
