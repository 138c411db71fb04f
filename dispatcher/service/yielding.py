"""Computing much without holding up whoever else is on the loop."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")

_TURN = 0.001  # seconds of computing after which others have a turn


async def yielding(items: Iterable[T]) -> AsyncIterator[T]:
    """Give items to compute with, and whoever else is on the loop a turn after each millisecond."""
    started = perf_counter()
    for item in items:
        if perf_counter() - started > _TURN:
            await asyncio.sleep(0)
            started = perf_counter()
        yield item
