"""Slots: as many calls out as rate × latency needs, and no more."""

import asyncio

from dispatcher.domain.provider import ProviderConfig
from dispatcher.service.slots import Slots, Strain


def _slots(tps: float, most: int = 200) -> Slots:
    return Slots(ProviderConfig(name="p", plugin="t", options={}, tps=tps, max_connections=most), Strain())


def test_the_bound_follows_the_rate() -> None:
    assert [_slots(tps).limit for tps in (1, 100, 1000)] == [2, 7, 63]


def test_the_bound_never_exceeds_the_connections() -> None:
    assert _slots(100_000, most=50).limit == 50


def test_the_bound_follows_the_latency() -> None:
    async def story() -> None:
        slots = _slots(1000)
        for _ in range(100):
            async with slots.timed():
                pass
        assert slots.limit < 10

    asyncio.run(story())


def test_no_more_are_out_than_the_bound_and_the_longest_waiting_is_next() -> None:
    async def story() -> None:
        slots = _slots(1)
        assert await slots.acquire(1)
        assert await slots.acquire(1)
        order: list[int] = []

        async def wait(number: int) -> None:
            assert await slots.acquire(1)
            order.append(number)

        waiting = [asyncio.create_task(wait(n)) for n in range(3)]
        await asyncio.sleep(0)
        for _ in range(3):
            assert slots.out == 2
            slots.release()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
        assert order == [0, 1, 2]

    asyncio.run(story())


def test_who_waits_in_vain_is_told_and_leaves_no_trace() -> None:
    async def story() -> None:
        slots = _slots(1)
        await slots.acquire(1)
        await slots.acquire(1)
        assert not await slots.acquire(0.01)
        slots.release()
        slots.release()
        assert slots.out == 0
        assert await slots.acquire(0)

    asyncio.run(story())


def test_a_process_that_cannot_follow_lets_fewer_out_and_recovers() -> None:
    strain = Strain()
    slots = Slots(ProviderConfig(name="p", plugin="t", options={}, tps=1000), strain)
    for _ in range(10):
        strain.note(0.1)
    assert slots.limit < 20
    for _ in range(50):
        strain.note(0.001)
    assert slots.limit == 63
