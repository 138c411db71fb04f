"""Long computations that leave the loop free for other tasks."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from time import perf_counter
from typing import TypeVar

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
