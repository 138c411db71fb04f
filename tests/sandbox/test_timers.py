"""Delayed actions: due ones run in order, and cleared ones do not run."""

import asyncio
from functools import partial

from dispatcher.sandbox.timers import Timers
from tests.sandbox.running_sandbox import run


def test_due_actions_run_by_time_and_then_in_the_order_they_were_set() -> None:
    async def work() -> None:
        timers, done = Timers(), asyncio.Event()
        order: list[str] = []
        for delay, name in ((0.03, "late"), (0.01, "early"), (0.01, "early, second"), (0.02, "between")):
            timers.call(delay, partial(order.append, name))
        timers.call(0.04, done.set)
        assert len(timers) == 5
        await asyncio.wait_for(done.wait(), 5)
        assert order == ["early", "early, second", "between", "late"]
        assert len(timers) == 0

    run(work())


def test_an_action_may_set_another() -> None:
    async def work() -> None:
        timers, done = Timers(), asyncio.Event()
        timers.call(0.01, lambda: timers.call(0.01, done.set))
        await asyncio.wait_for(done.wait(), 5)

    run(work())


def test_cleared_actions_do_not_run() -> None:
    async def work() -> None:
        timers, done = Timers(), asyncio.Event()
        order: list[str] = []
        timers.call(0.0, partial(order.append, "cleared"))
        timers.clear()
        timers.call(0.01, done.set)
        await asyncio.wait_for(done.wait(), 5)
        assert order == []

    run(work())
