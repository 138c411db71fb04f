"""Batching: a lone request does not wait for others, and each gets its own result."""

import asyncio
from collections.abc import Sequence

import pytest

from dispatcher.batching import Batcher
from dispatcher.domain.errors import Unavailable


class Doubler:
    """Doubles numbers once `open` is set; records the groups."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.open = asyncio.Event()
        self.fault: Exception | None = None

    async def double(self, numbers: Sequence[int]) -> list[int]:
        self.groups.append(list(numbers))
        await self.open.wait()
        if self.fault is not None and (13 in numbers or isinstance(self.fault, Unavailable)):
            raise self.fault
        return [2 * number for number in numbers]


def test_a_lone_request_is_processed_at_once() -> None:
    async def story() -> None:
        doubler = Doubler()
        doubler.open.set()
        assert await Batcher(doubler.double).run(4) == 8

    asyncio.run(story())


def test_a_request_right_after_a_result_is_processed_too() -> None:
    async def story() -> None:
        doubler = Doubler()
        doubler.open.set()
        batcher = Batcher(doubler.double)
        async with asyncio.timeout(5):
            assert [await batcher.run(number) for number in range(100)] == list(range(0, 200, 2))

    asyncio.run(story())


def test_requests_that_arrive_during_a_group_are_processed_together() -> None:
    async def story() -> None:
        doubler = Doubler()
        batcher = Batcher(doubler.double)
        running = [asyncio.create_task(batcher.run(number)) for number in range(10)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        more = [asyncio.create_task(batcher.run(number)) for number in range(10, 80)]
        await asyncio.sleep(0)
        doubler.open.set()
        assert await asyncio.gather(*running, *more) == [2 * number for number in range(80)]
        assert len(doubler.groups) <= 5
        assert max(map(len, doubler.groups)) <= 64

    asyncio.run(story())


def test_at_once_limits_the_number_of_groups() -> None:
    async def story() -> None:
        doubler = Doubler()
        batcher = Batcher(doubler.double, at_once=2)
        running = []
        for number in range(4):
            running.append(asyncio.create_task(batcher.run(number)))
            for _ in range(3):
                await asyncio.sleep(0)
        assert doubler.groups == [[0], [1]]
        doubler.open.set()
        assert await asyncio.gather(*running) == [0, 2, 4, 6]
        assert doubler.groups == [[0], [1], [2, 3]]

    asyncio.run(story())


def test_an_error_is_raised_to_its_own_request_and_the_others_get_their_results() -> None:
    async def story() -> None:
        doubler = Doubler()
        doubler.fault = KeyError("thirteen")
        doubler.open.set()
        batcher = Batcher(doubler.double)
        ended = await asyncio.gather(*(batcher.run(n) for n in (12, 13, 14)), return_exceptions=True)
        assert [ended[0], ended[2]] == [24, 28]
        assert isinstance(ended[1], KeyError)

    asyncio.run(story())


def test_results_before_an_unavailable_midway_are_returned() -> None:
    async def answer(numbers: Sequence[int]) -> list[int]:
        if len(numbers) > 1:
            raise KeyError("a group")
        if numbers == [13]:
            raise Unavailable("away")
        return [2 * number for number in numbers]

    async def story() -> None:
        batcher = Batcher(answer)
        ended = await asyncio.gather(*(batcher.run(n) for n in (11, 12, 13)), return_exceptions=True)
        assert ended[:2] == [22, 24]
        assert isinstance(ended[2], Unavailable)

    asyncio.run(story())


def test_after_unavailable_no_request_is_processed_again() -> None:
    async def story() -> None:
        doubler = Doubler()
        doubler.fault = Unavailable("away")
        doubler.open.set()
        batcher = Batcher(doubler.double)
        ended = await asyncio.gather(*(batcher.run(n) for n in range(5)), return_exceptions=True)
        assert all(isinstance(end, Unavailable) for end in ended)
        assert sum(map(len, doubler.groups)) == 5

    asyncio.run(story())


def test_results_before_unavailable_are_returned_and_the_rest_is_not_processed() -> None:
    async def story() -> None:
        tried: list[list[int]] = []

        async def double(numbers: Sequence[int]) -> list[int]:
            tried.append(list(numbers))
            if len(numbers) > 1:
                raise KeyError("one of them spoils the group")
            if numbers[0] >= 2:
                raise Unavailable("away")
            return [2 * number for number in numbers]

        batcher = Batcher(double)
        ended = await asyncio.gather(*(batcher.run(n) for n in range(5)), return_exceptions=True)
        assert ended[:2] == [0, 2]
        assert all(isinstance(end, Unavailable) for end in ended[2:])
        assert tried == [[0, 1, 2, 3, 4], [0], [1], [2]]

    asyncio.run(story())


def test_a_cancelled_caller_does_not_delay_the_others() -> None:
    async def story() -> None:
        doubler = Doubler()
        batcher = Batcher(doubler.double)
        leaving, staying = (asyncio.create_task(batcher.run(number)) for number in (1, 2))
        await asyncio.sleep(0)
        leaving.cancel()
        doubler.open.set()
        assert await staying == 4
        with pytest.raises(asyncio.CancelledError):
            await leaving

    asyncio.run(story())
