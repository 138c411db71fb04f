"""The concurrency limit: as many open calls as rate × latency needs, and no more."""

import asyncio

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.service.delivery.concurrency import ConcurrencyLimit, LoopLag


def _limit(tps: float, most: int = 200) -> ConcurrencyLimit:
    return ConcurrencyLimit(
        ProviderConfig(name="p", plugin="t", options={}, tps=tps, max_connections=most), LoopLag()
    )


def test_the_limit_follows_the_rate() -> None:
    assert [_limit(tps).slots for tps in (1, 100, 1000)] == [2, 7, 63]


def test_a_call_of_many_messages_needs_fewer_slots() -> None:
    config = ProviderConfig(name="p", plugin="t", options={}, tps=4000)
    assert [ConcurrencyLimit(config, LoopLag(), batch=many).slots for many in (1, 50)] == [200, 5]


def test_the_limit_never_exceeds_the_connections() -> None:
    assert _limit(100_000, most=50).slots == 50


def test_the_limit_follows_the_latency() -> None:
    limit = _limit(1000)
    for _ in range(100):
        limit.note_call(0.001)
    assert limit.slots < 10
    for _ in range(100):
        limit.note_call(0.05)
    assert limit.slots > 50


def test_long_texts_need_fewer_slots_because_the_rate_counts_segments() -> None:
    limit = _limit(1000)
    for _ in range(100):
        limit.note_call(0.05, segments=3)
    assert 20 <= limit.slots <= 23
    for _ in range(100):
        limit.note_call(0.05)
    assert 60 <= limit.slots <= 64


def test_the_limit_makes_up_for_the_time_that_slots_wait_for_a_claim() -> None:
    limit = _limit(1000)
    for _ in range(100):
        limit.note_call(0.01)
        limit.note_claim(0.03)
    assert 45 <= limit.slots <= 55


def test_a_taken_slot_is_not_free_until_it_is_released() -> None:
    limit = _limit(1)
    limit.take(2)
    assert (limit.in_use, limit.free) == (2, 0)
    limit.release()
    assert (limit.in_use, limit.free) == (1, 1)


def test_a_limit_below_the_number_of_open_calls_leaves_no_slot_free() -> None:
    limit = _limit(1000)
    limit.take(limit.free)
    for _ in range(100):
        limit.note_call(0.001)
    assert limit.in_use > limit.slots
    assert limit.free == 0


def test_a_process_that_falls_behind_lowers_the_limit_and_recovers() -> None:
    lag = LoopLag()
    limit = ConcurrencyLimit(ProviderConfig(name="p", plugin="t", options={}, tps=1000), lag)
    for _ in range(40):
        lag.note(0.1)
    assert limit.slots < 20
    for _ in range(100):
        lag.note(0.001)
    assert limit.slots == 63


def test_a_waiter_that_is_cancelled_leaves_its_slot_to_the_next() -> None:
    async def story() -> None:
        limit = _limit(1)
        limit.take(2)
        cancelled = asyncio.create_task(limit.acquire(within=5))
        patient = asyncio.create_task(limit.acquire(within=5))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        limit.release()
        assert await patient
        limit.release()
        limit.release()
        assert (limit.in_use, limit.free) == (0, 2)

    asyncio.run(story())


def test_a_waiter_that_is_cancelled_as_it_gets_its_slot_releases_it() -> None:
    async def story() -> None:
        limit = _limit(1)
        limit.take(2)
        waiting = asyncio.create_task(limit.acquire(within=5))
        await asyncio.sleep(0)
        limit.release()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert (limit.in_use, limit.free) == (1, 1)

    asyncio.run(story())


def test_a_waiter_gets_no_slot_when_its_time_is_over() -> None:
    async def story() -> None:
        limit = _limit(1)
        limit.take(2)
        assert not await limit.acquire(within=0.01)
        limit.release()
        assert (limit.in_use, limit.free) == (1, 1)

    asyncio.run(story())
