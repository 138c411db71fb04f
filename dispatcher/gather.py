"""
Answering together what is asked at the same moment: many small requests, one transaction.

A lone question is answered at once; what comes while answers are under way is
gathered and answered next, or beside those where `at_once` is more than one.
So nothing waits for company, and under load the cost of a transaction is shared.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from dispatcher.domain.errors import Unavailable

Question = TypeVar("Question")
Answer = TypeVar("Answer")

_MOST = 64


class Gather(Generic[Question, Answer]):
    """
    Gathers for one loop, and has up to `at_once` groups answered at once.

    `answer` gives an answer for each question, in order. What it raises is
    raised by the question that caused it: the others are asked again, each
    alone, unless Postgres is away.
    """

    def __init__(
        self, answer: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]], *, at_once: int = 1
    ) -> None:
        self._answer = answer
        self._free = at_once
        self._waiting: deque[tuple[Question, asyncio.Future[Answer]]] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    async def ask(self, question: Question) -> Answer:
        """Ask; whoever leaves before the answer has asked all the same."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
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
            # Here, not when the task is done: whoever just had an answer may ask again before that.
            self._free += 1

    async def _settle(self, group: Sequence[tuple[Question, "asyncio.Future[Answer]"]]) -> None:
        try:
            answers = await self._answer([question for question, _ in group])
        except Exception as error:  # whatever it was, it is told to whom it concerns
            if len(group) > 1 and not isinstance(error, Unavailable):
                for one in group:
                    await self._settle([one])
                return
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), found in zip(group, answers, strict=True):
            if not future.done():
                future.set_result(found)
