"""The rate limits of the API: one bucket for all processes, and one in each while Redis is unavailable."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import fakeredis
import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from dispatcher.domain.accounts.rate_limit import RateLimitStatus
from dispatcher.lanes.connect import open_async_redis
from dispatcher.lanes.limits import MAX_BUCKETS, Buckets, Limits

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
SOME_TIME = 1_800_000_000

Maker = Callable[[], Redis]


# A real Redis, whose clock we do not hold: limits so low that a slow machine refills nothing in between.


class _PatientLoop(asyncio.SelectorEventLoop):
    """A loop with time-outs a hundred times longer: a busy machine must not look like a dead Redis."""

    def time(self) -> float:
        return super().time() / 100


@pytest.fixture(params=["valkey", "fakeredis"])
def redis_maker(request: pytest.FixtureRequest) -> Maker:
    """Return a maker of clients, to be called in the loop that uses them."""
    if request.param == "fakeredis":
        server = fakeredis.FakeServer()
        return lambda: fakeredis.FakeAsyncRedis(server=server)
    url = request.getfixturevalue("redis_url")
    return lambda: open_async_redis(url)


def _run(maker: Maker, story: Callable[[Redis], Awaitable[None]]) -> None:
    async def main() -> None:
        redis = maker()
        await story(redis)
        await redis.aclose()

    with asyncio.Runner(loop_factory=_PatientLoop) as runner:
        runner.run(main())


def test_a_fresh_bucket_holds_a_whole_minute(redis_maker: Maker) -> None:
    async def story(redis: Redis) -> None:
        limits = Limits(redis)
        assert await limits.take("one", per_minute=60) == RateLimitStatus(60, 59, SECOND, None)
        assert await limits.take("half", per_minute=60, cost=30) == RateLimitStatus(60, 30, MINUTE / 2, None)
        assert await limits.take("all", per_minute=60, cost=60) == RateLimitStatus(60, 0, MINUTE, None)

    _run(redis_maker, story)


def test_each_request_leaves_one_less(redis_maker: Maker) -> None:
    async def story(redis: Redis) -> None:
        limits = Limits(redis)
        quotas = [await limits.take("b", per_minute=3) for _ in range(3)]
        assert [quota.remaining for quota in quotas] == [2, 1, 0]
        assert not any(quota.exceeded for quota in quotas)

    _run(redis_maker, story)


def test_an_exceeded_request_is_told_when_to_retry(redis_maker: Maker) -> None:
    async def story(redis: Redis) -> None:
        limits = Limits(redis)
        await limits.take("b", per_minute=1)
        quota = await limits.take("b", per_minute=1)
        assert quota.exceeded
        assert quota.remaining == 0
        assert quota.retry_after is not None
        assert timedelta() < quota.retry_after <= MINUTE
        assert quota.reset == quota.retry_after

    _run(redis_maker, story)


def test_all_processes_share_a_bucket(redis_maker: Maker) -> None:
    async def story(redis: Redis) -> None:
        other = redis_maker()
        here, there = Limits(redis), Limits(other)
        assert (await here.take("b", per_minute=2)).remaining == 1
        assert (await there.take("b", per_minute=2)).remaining == 0
        assert (await here.take("b", per_minute=2)).exceeded
        await other.aclose()

    _run(redis_maker, story)


def test_each_bucket_has_its_own_limit(redis_maker: Maker) -> None:
    async def story(redis: Redis) -> None:
        limits = Limits(redis)
        await limits.take("b", per_minute=1)
        assert not (await limits.take("c", per_minute=1)).exceeded

    _run(redis_maker, story)


def test_a_request_of_cost_0_leaves_nothing_in_redis(redis_maker: Maker) -> None:
    async def story(redis: Redis) -> None:
        assert await Limits(redis).take("b", per_minute=60, cost=0) == RateLimitStatus(
            60, 60, timedelta(), None
        )
        assert not await redis.exists("sms:limit:b")

    _run(redis_maker, story)


def test_a_bucket_leaves_redis_when_it_is_full_again(redis_maker: Maker) -> None:
    async def story(redis: Redis) -> None:
        await Limits(redis).take("b", per_minute=2)
        assert 0 < await redis.pttl("sms:limit:b") <= 30_000

    _run(redis_maker, story)


# The arithmetic, to the microsecond: the script under a clock that stands still, and the process's own.


class _Counter:
    """Limits with their clock."""

    def __init__(self, limits: Limits, runner: asyncio.Runner, shift: Callable[[timedelta], None]) -> None:
        self._limits, self._runner, self.shift = limits, runner, shift

    def take(self, *, per_minute: int = 60, cost: int = 1) -> RateLimitStatus:
        return self._runner.run(self._limits.take("b", per_minute=per_minute, cost=cost))


@contextmanager
def _in_redis() -> Iterator[_Counter]:
    with (
        asyncio.Runner(loop_factory=_PatientLoop) as runner,
        time_machine.travel(SOME_TIME, tick=False) as clock,
    ):
        yield _Counter(Limits(fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer())), runner, clock.shift)


@contextmanager
def _in_process() -> Iterator[_Counter]:
    clock = _Clock()
    with asyncio.Runner() as runner:
        yield _Counter(Limits(_Away(), clock=clock), runner, clock.shift)


class _Clock:
    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        return self._now

    def shift(self, by: timedelta) -> None:
        self._now += by.total_seconds()


class _Away(Redis):
    """A Redis that answers everything with an error."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self._error = error or RedisConnectionError("nobody there")
        self.asked = 0

    async def execute_command(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        await asyncio.sleep(0)
        raise self._error


Place = Callable[[], AbstractContextManager[_Counter]]


@pytest.fixture(params=[_in_redis, _in_process])
def counter(request: pytest.FixtureRequest) -> Iterator[_Counter]:
    """Return limits that are counted in Redis or in the process."""
    place: Place = request.param
    with place() as counter:
        yield counter


def test_sixty_a_minute_leave_59_and_then_58(counter: _Counter) -> None:
    assert counter.take() == RateLimitStatus(60, 59, SECOND, None)
    assert counter.take() == RateLimitStatus(60, 58, 2 * SECOND, None)


def test_a_bucket_refills_evenly(counter: _Counter) -> None:
    counter.take(cost=60)
    counter.shift(SECOND * 1.5)
    assert counter.take(cost=0).remaining == 1
    counter.shift(SECOND * 28.5)
    assert counter.take(cost=0).remaining == 30
    counter.shift(MINUTE)
    assert counter.take(cost=0) == RateLimitStatus(60, 60, timedelta(), None)


def test_an_exceeded_request_takes_nothing(counter: _Counter) -> None:
    counter.take(cost=60)
    exceeded = RateLimitStatus(60, 0, MINUTE, retry_after=SECOND)
    assert [counter.take() for _ in range(3)] == [exceeded] * 3
    counter.shift(SECOND)
    assert counter.take() == RateLimitStatus(60, 0, MINUTE, None)


def test_a_request_that_costs_too_much_leaves_the_rest_for_cheaper_ones(counter: _Counter) -> None:
    counter.take(cost=57)
    assert counter.take(cost=5) == RateLimitStatus(60, 3, 57 * SECOND, retry_after=2 * SECOND)
    assert counter.take(cost=3) == RateLimitStatus(60, 0, MINUTE, None)


def test_a_request_of_cost_0_returns_what_one_of_cost_1_would_get(counter: _Counter) -> None:
    assert counter.take(cost=0) == RateLimitStatus(60, 60, timedelta(), None)
    counter.take(cost=60)
    assert counter.take(cost=0) == RateLimitStatus(60, 0, MINUTE, retry_after=SECOND)


def test_a_cost_above_the_limit_is_always_exceeded(counter: _Counter) -> None:
    assert counter.take(cost=61).exceeded
    assert counter.take(cost=0).remaining == 60


def test_a_lowered_limit_owes_no_more_than_a_minute(counter: _Counter) -> None:
    counter.take(per_minute=60, cost=60)
    quota = counter.take(per_minute=7)
    assert quota.remaining == 0
    assert quota.reset <= MINUTE


@pytest.mark.parametrize("per_minute", [1, 7, 650, 7919, 100_000])
def test_any_limit_is_counted_to_the_last_request(counter: _Counter, per_minute: int) -> None:
    assert counter.take(per_minute=per_minute).remaining == per_minute - 1
    assert counter.take(per_minute=per_minute, cost=per_minute - 1).remaining == 0
    assert counter.take(per_minute=per_minute).exceeded


@pytest.mark.parametrize(("per_minute", "cost"), [(0, 1), (-1, 1), (60, -1)])
def test_an_invalid_limit_or_cost_is_refused(counter: _Counter, per_minute: int, cost: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1 a minute"):
        counter.take(per_minute=per_minute, cost=cost)


_STEPS = st.lists(st.tuples(st.integers(0, 80), st.integers(0, 8), st.sampled_from([5, 7, 8])), max_size=20)


@settings(max_examples=30, deadline=None)
@given(steps=_STEPS)
def test_redis_and_the_process_count_the_same(steps: Sequence[tuple[int, int, int]]) -> None:
    results: list[list[RateLimitStatus]] = []
    for place in (_in_redis, _in_process):
        with place() as counter:
            results.append([])
            for quarters, cost, per_minute in steps:
                counter.shift(SECOND / 4 * quarters)
                results[-1].append(counter.take(per_minute=per_minute, cost=cost))
    assert results[0] == results[1]


# Redis away.


def test_without_redis_the_limit_holds_in_the_process() -> None:
    async def story() -> None:
        redis = open_async_redis("redis://127.0.0.1:1/0")
        limits = Limits(redis, clock=_Clock())
        with capture_logs() as logs:
            quotas = [await limits.take("b", per_minute=3) for _ in range(4)]
        assert [quota.remaining for quota in quotas] == [2, 1, 0, 0]
        assert [quota.exceeded for quota in quotas] == [False, False, False, True]
        assert [(entry["event"], entry["log_level"]) for entry in logs] == [("limits_not_reached", "warning")]
        await redis.aclose()

    asyncio.run(story())


def test_redis_is_not_asked_for_a_second_after_it_failed() -> None:
    async def story() -> None:
        clock, redis = _Clock(), _Away()
        limits = Limits(redis, clock=clock)
        for _ in range(5):
            await limits.take("b", per_minute=60)
        assert redis.asked == 1
        clock.shift(SECOND * 0.75)
        await limits.take("b", per_minute=60)
        assert redis.asked == 1
        clock.shift(SECOND * 0.25)
        await limits.take("b", per_minute=60)
        assert redis.asked == 2

    asyncio.run(story())


def test_after_the_pause_one_request_asks_and_the_others_do_not_wait_for_it() -> None:
    async def story() -> None:
        clock, redis = _Clock(), _Away()
        limits = Limits(redis, clock=clock)
        with capture_logs() as logs:
            await asyncio.gather(*(limits.take("b", per_minute=60) for _ in range(20)))
            assert redis.asked == 1  # those of one moment ask together
            clock.shift(SECOND)
            await asyncio.gather(*(limits.take("b", per_minute=60) for _ in range(20)))
        assert redis.asked == 2
        assert len(logs) == 2

    asyncio.run(story())


def test_a_redis_that_refuses_the_script_counts_as_unavailable() -> None:
    async def story() -> None:
        redis = _Away(ResponseError("READONLY You can't write against a read only replica."))
        assert await Limits(redis).take("b", per_minute=60) == RateLimitStatus(60, 59, SECOND, None)

    asyncio.run(story())


def test_redis_counts_again_as_soon_as_it_is_back_and_the_pause_is_over() -> None:
    async def story() -> None:
        clock, server = _Clock(), fakeredis.FakeServer()
        redis = fakeredis.FakeAsyncRedis(server=server)
        limits = Limits(redis, clock=clock)
        server.connected = False
        await limits.take("b", per_minute=3)
        server.connected = True
        assert (await limits.take("b", per_minute=3)).remaining == 1
        assert not await redis.exists("sms:limit:b")
        clock.shift(SECOND)
        assert [(await limits.take("b", per_minute=3)).remaining for _ in range(3)] == [2, 1, 0]

    with asyncio.Runner(loop_factory=_PatientLoop) as runner:
        runner.run(story())


def test_a_redis_that_never_answers_delays_one_request_a_second_by_a_tenth_of_a_second() -> None:
    async def story() -> None:
        async with _silent_server() as url:
            clock, redis = _Clock(), open_async_redis(url)
            limits = Limits(redis, clock=clock)
            with capture_logs() as logs:
                # Each wait is a tenth of a second; the client's own would be five and more.
                async with asyncio.timeout(4):
                    for _ in range(3):
                        for _ in range(100):
                            await limits.take("b", per_minute=60)
                        clock.shift(SECOND)
            assert len(logs) == 3
            await redis.aclose()

    asyncio.run(story())


@asynccontextmanager
async def _silent_server() -> AsyncIterator[str]:
    """Accept every connection and never answer."""
    writers: list[asyncio.StreamWriter] = []

    async def keep(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    async with await asyncio.start_server(keep, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        try:
            yield f"redis://{host}:{port}/0"
        finally:
            for writer in writers:
                writer.close()


def test_a_redis_that_stops_answering_is_bypassed_and_used_again_later(redis_url: str) -> None:
    async def story() -> None:
        clock, redis, other = _Clock(), open_async_redis(redis_url), open_async_redis(redis_url)
        limits = Limits(redis, clock=clock)

        async def take_until_redis_counts(bucket: str) -> None:
            while not await other.exists(f"sms:limit:{bucket}"):
                clock.shift(SECOND)
                await limits.take(bucket, per_minute=1)

        await take_until_redis_counts("before")
        await other.client_pause(60_000, all=False)
        try:
            assert (await limits.take("during", per_minute=60)).remaining == 59
        finally:
            await other.client_unpause()
        await take_until_redis_counts("after")
        await redis.aclose()
        await other.aclose()

    asyncio.run(story())


# The memory of a process.


def _take(buckets: Buckets, bucket: str, *, now: int = 0, cost: int = 1) -> int:
    return buckets.take(bucket, now, interval=1_000_000, limit=60, cost=cost).wait


def test_a_process_keeps_a_bounded_number_of_buckets() -> None:
    buckets = Buckets()
    for number in range(3 * MAX_BUCKETS):
        _take(buckets, str(number))
        assert len(buckets) <= MAX_BUCKETS


def test_full_buckets_are_dropped_first() -> None:
    buckets = Buckets()
    for number in range(MAX_BUCKETS):
        _take(buckets, f"idle {number}")
    _take(buckets, "new", now=1_000_000)
    assert len(buckets) == 1


def test_the_emptiest_buckets_are_not_dropped_for_new_ones() -> None:
    buckets = Buckets()
    _take(buckets, "greedy", cost=60)
    for number in range(3 * MAX_BUCKETS):
        _take(buckets, str(number))
    assert _take(buckets, "greedy") > 0


def test_a_request_of_cost_0_is_not_stored() -> None:
    buckets = Buckets()
    _take(buckets, "b", cost=0)
    assert len(buckets) == 0
