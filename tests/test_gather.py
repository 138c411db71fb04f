"""Many small requests, one answer: nothing waits for company, and each hears only what concerns it."""

import asyncio
from collections.abc import Sequence

import pytest

from dispatcher.domain.errors import Unavailable
from dispatcher.gather import Gather


class Desk:
    """Answers with the double, when it may; remembers who came together."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.open = asyncio.Event()
        self.fault: Exception | None = None

    async def answer(self, numbers: Sequence[int]) -> list[int]:
        self.groups.append(list(numbers))
        await self.open.wait()
        if self.fault is not None and (13 in numbers or isinstance(self.fault, Unavailable)):
            raise self.fault
        return [2 * number for number in numbers]


def test_a_lone_question_waits_for_nobody() -> None:
    async def story() -> None:
        desk = Desk()
        desk.open.set()
        assert await Gather(desk.answer).ask(4) == 8

    asyncio.run(story())


def test_whoever_asks_again_at_once_is_answered_again() -> None:
    async def story() -> None:
        desk = Desk()
        desk.open.set()
        gather = Gather(desk.answer)
        async with asyncio.timeout(5):
            assert [await gather.ask(number) for number in range(100)] == list(range(0, 200, 2))

    asyncio.run(story())


def test_what_comes_while_answers_are_under_way_is_answered_together() -> None:
    async def story() -> None:
        desk = Desk()
        gather = Gather(desk.answer)
        asked = [asyncio.create_task(gather.ask(number)) for number in range(10)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        more = [asyncio.create_task(gather.ask(number)) for number in range(10, 80)]
        await asyncio.sleep(0)
        desk.open.set()
        assert await asyncio.gather(*asked, *more) == [2 * number for number in range(80)]
        assert len(desk.groups) <= 5
        assert max(map(len, desk.groups)) <= 64

    asyncio.run(story())


def test_two_groups_are_under_way_where_that_is_wanted_and_no_third() -> None:
    async def story() -> None:
        desk = Desk()
        gather = Gather(desk.answer, at_once=2)
        asked = []
        for number in range(4):
            asked.append(asyncio.create_task(gather.ask(number)))
            for _ in range(3):
                await asyncio.sleep(0)
        assert desk.groups == [[0], [1]]
        desk.open.set()
        assert await asyncio.gather(*asked) == [0, 2, 4, 6]
        assert desk.groups == [[0], [1], [2, 3]]

    asyncio.run(story())


def test_a_fault_is_told_to_whom_it_concerns_and_the_others_are_answered() -> None:
    async def story() -> None:
        desk = Desk()
        desk.fault = KeyError("thirteen")
        desk.open.set()
        gather = Gather(desk.answer)
        ended = await asyncio.gather(*(gather.ask(n) for n in (12, 13, 14)), return_exceptions=True)
        assert [ended[0], ended[2]] == [24, 28]
        assert isinstance(ended[1], KeyError)

    asyncio.run(story())


def test_answers_that_were_reached_are_given_though_postgres_goes_away_midway() -> None:
    async def answer(numbers: Sequence[int]) -> list[int]:
        if len(numbers) > 1:
            raise KeyError("a group")
        if numbers == [13]:
            raise Unavailable("away")
        return [2 * number for number in numbers]

    async def story() -> None:
        gather = Gather(answer)
        ended = await asyncio.gather(*(gather.ask(n) for n in (11, 12, 13)), return_exceptions=True)
        assert ended[:2] == [22, 24]
        assert isinstance(ended[2], Unavailable)

    asyncio.run(story())


def test_while_postgres_is_away_nobody_is_asked_again() -> None:
    async def story() -> None:
        desk = Desk()
        desk.fault = Unavailable("away")
        desk.open.set()
        gather = Gather(desk.answer)
        ended = await asyncio.gather(*(gather.ask(n) for n in range(5)), return_exceptions=True)
        assert all(isinstance(end, Unavailable) for end in ended)
        assert sum(map(len, desk.groups)) == 5

    asyncio.run(story())


def test_whoever_leaves_holds_up_nobody() -> None:
    async def story() -> None:
        desk = Desk()
        gather = Gather(desk.answer)
        leaving, staying = (asyncio.create_task(gather.ask(number)) for number in (1, 2))
        await asyncio.sleep(0)
        leaving.cancel()
        desk.open.set()
        assert await staying == 4
        with pytest.raises(asyncio.CancelledError):
            await leaving

    asyncio.run(story())
