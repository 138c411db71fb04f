"""Long computations that leave the loop free for other tasks, and coroutines that run without a loop."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from time import perf_counter
from typing import Any, TypeVar

T = TypeVar("T")

_SLICE = 0.001  # seconds of computing between two pauses


async def yielding(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items, and let other tasks of the loop run after each millisecond."""
    started = perf_counter()
    for item in items:
        if perf_counter() - started > _SLICE:
            await asyncio.sleep(0)
            started = perf_counter()
        yield item


def run_without_loop(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that waits for nothing; it may be `yielding`."""
    while True:
        try:
            waits_for = work.send(None)
        except StopIteration as ended:
            return ended.value  # type: ignore[no-any-return]
        if waits_for is not None:
            work.close()
            raise RuntimeError(f"a coroutine without a loop waits for {waits_for!r}")
