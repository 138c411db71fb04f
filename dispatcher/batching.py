"""
Batching of concurrent requests: many small requests, one transaction.

A lone request is processed at once. Requests that arrive while a group is
being processed form the next group; with `at_once` above one, groups run side
by side. So no request waits for others to arrive, and under load requests
share the cost of a transaction.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from dispatcher.domain.errors import Unavailable

Request = TypeVar("Request")
Result = TypeVar("Result")

_MOST = 64

_Waiting = tuple[Request, asyncio.Future[Result]]


class Batcher(Generic[Request, Result]):
    """
    Batches the requests of one loop, and processes up to `at_once` groups side by side.

    `process` returns a result for each request, in order. If it raises, the
    requests of the group are processed again one by one, and only the request
    that caused the error gets it. After Unavailable no request is processed
    again: the whole rest of the group gets the error.
    """

    def __init__(
        self, process: Callable[[Sequence[Request]], Awaitable[Sequence[Result]]], *, at_once: int = 1
    ) -> None:
        self._process = process
        self._free = at_once
        self._waiting: deque[_Waiting[Request, Result]] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    async def run(self, request: Request) -> Result:
        """Return the result of a request. It is processed even if the caller is cancelled meanwhile."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._free:
            self._free -= 1
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(_MOST, len(self._waiting)))]
                await self._settle(group)
        finally:
            # Not in a done-callback: a caller may send its next request before that runs.
            self._free += 1

    async def _settle(self, group: Sequence[_Waiting[Request, Result]]) -> None:
        error = await self._try(group)
        if error is None:
            return
        if len(group) > 1 and not isinstance(error, Unavailable):
            await self._settle_each(group)
        else:
            _fail(group, error)

    async def _settle_each(self, group: Sequence[_Waiting[Request, Result]]) -> None:
        for position, one in enumerate(group):
            error = await self._try([one])
            if isinstance(error, Unavailable):
                _fail(group[position:], error)
                return
            if error is not None:
                _fail([one], error)

    async def _try(self, group: Sequence[_Waiting[Request, Result]]) -> Exception | None:
        """Process a group and set the results of its requests; return the error, if there is one."""
        try:
            results = await self._process([request for request, _ in group])
        except Exception as error:  # raised to the request that caused it
            return error
        for (_, future), result in zip(group, results, strict=True):
            if not future.done():
                future.set_result(result)
        return None


def _fail(group: Sequence[_Waiting[Request, Result]], error: Exception) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)
