"""Deadlines: one timer serves many calls, and each expires at its own time."""

import asyncio
import time

import pytest

from dispatcher.deadlines import Deadlines


def test_only_a_block_that_takes_too_long_raises() -> None:
    async def story() -> None:
        deadlines = Deadlines(0.05)
        began = time.monotonic()
        with pytest.raises(TimeoutError), deadlines.deadline():
            await asyncio.sleep(30)
        assert 0.05 <= time.monotonic() - began < 5
        with deadlines.deadline():
            await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()

    asyncio.run(story())


def test_deadlines_that_share_a_timer_expire_separately() -> None:
    async def story() -> None:
        deadlines = Deadlines(0.3)

        async def call(begins: float, takes: float) -> float | None:
            await asyncio.sleep(begins)
            began = time.monotonic()
            try:
                with deadlines.deadline():
                    await asyncio.sleep(takes)
            except TimeoutError:
                return time.monotonic() - began
            return None

        ended = await asyncio.gather(
            call(0, 0.01), call(0, 30), call(0.1, 0.01), call(0.2, 30), call(0.2, 0.01)
        )
        assert [seconds is None for seconds in ended] == [True, False, True, False, True]
        assert all(seconds >= 0.3 for seconds in ended if seconds is not None)

    asyncio.run(story())


def test_a_task_that_is_cancelled_from_outside_stays_cancelled() -> None:
    async def story() -> None:
        deadlines = Deadlines(30)

        async def call() -> None:
            with deadlines.deadline():
                await asyncio.sleep(60)

        task = asyncio.create_task(call())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())


def test_nested_deadlines_are_distinguished() -> None:
    async def story() -> None:
        outer, inner = Deadlines(0.2), Deadlines(0.05)

        async def both() -> None:
            with outer.deadline():
                with pytest.raises(TimeoutError), inner.deadline():
                    await asyncio.sleep(30)
                await asyncio.sleep(30)

        with pytest.raises(TimeoutError):
            await both()

    asyncio.run(story())


def test_an_error_of_the_block_is_raised_unchanged_even_after_its_time() -> None:
    async def story() -> None:
        deadlines = Deadlines(0.02)

        async def late() -> None:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                raise KeyError from None

        with pytest.raises(ValueError, match="mine"), deadlines.deadline():
            raise ValueError("mine")
        with pytest.raises(KeyError), deadlines.deadline():
            await late()
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()

    asyncio.run(story())
