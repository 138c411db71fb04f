"""
The body of a request as its handler gets it: small until the client is known; few large ones at a time.

A large body costs memory and time once it is read, many times its size once it
is parsed. So of an unauthenticated client only the first part is read, an
account has few large ones at a time, and a process handles few at a time.
"""

import asyncio
from collections import Counter
from collections.abc import Hashable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

from starlette.types import Message, Receive

from dispatcher.api.errors import too_large
from dispatcher.domain.errors import RateLimited

SMALL: Final = 64 * 1024
"""The largest body, in bytes, of an unauthenticated client; a larger one is large."""

MOST_OF_ONE: Final = 2
"""How many large bodies of one account a process reads or handles at a time."""

MOST_HANDLED: Final = 2
"""How many large bodies a process handles at a time, from the end of the body to the response."""

_PATIENCE = timedelta(seconds=30)


class LargeBodies:
    """The large bodies of one process, which take turns."""

    def __init__(self, *, patience: timedelta = _PATIENCE) -> None:
        self._patience = patience.total_seconds()
        self._of_one: dict[Hashable, asyncio.Semaphore] = {}
        self._users: Counter[Hashable] = Counter()
        self._handled = asyncio.Semaphore(MOST_HANDLED)

    async def read(self, turns: AsyncExitStack, owner: Hashable) -> None:
        """Wait until another large body of this owner may be read. Raises RateLimited."""
        turn = self._of_one.setdefault(owner, asyncio.Semaphore(MOST_OF_ONE))
        self._users[owner] += 1
        turns.callback(self._leave, owner)
        await self._wait(turns, turn)

    async def handle(self, turns: AsyncExitStack) -> None:
        """Wait until another large body may be handled. Raises RateLimited."""
        await self._wait(turns, self._handled)

    async def _wait(self, turns: AsyncExitStack, turn: asyncio.Semaphore) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await turns.enter_async_context(turn)
        except TimeoutError:
            raise RateLimited(
                "too many large requests are being handled; try again", retry_after=timedelta(seconds=1)
            ) from None

    def _leave(self, owner: Hashable) -> None:
        self._users[owner] -= 1
        if not self._users[owner]:
            del self._users[owner], self._of_one[owner]


class LimitedBody:
    """
    The `receive` of one request: raises HTTPException, 413, once the body is larger than its limit.

    The limit is small until `trust`. With `turns` a large body waits for its turn.
    """

    def __init__(self, receive: Receive, limit: float, *, bodies: LargeBodies) -> None:
        self._receive = receive
        self._full = limit
        self._limit = min(limit, SMALL)
        self._bodies = bodies
        self._owner: Hashable = None
        self._size = 0
        self._kept: list[Message] = []
        self._turns = AsyncExitStack()
        self._is_read = False

    def trust(self, owner: Hashable) -> None:
        """Allow a body of the full size: its sender is known, or the body itself proves who sent it."""
        self._owner, self._limit = owner, self._full

    async def start(self) -> tuple[bytes, bool]:
        """Return the first part of the body, SMALL bytes or more if it has them, and whether it is all."""
        while self._size <= SMALL and not self._is_read:
            message = await self._receive()
            self._note(message)
            self._kept.append(message)
        data = b"".join(message.get("body", b"") for message in self._kept)
        return data, self._is_read and self._size <= SMALL

    async def __call__(self) -> Message:
        """Return the next part of the body."""
        if self._size > SMALL:
            await self._take_turns()
        if self._kept:
            self._refuse_large()
            return self._kept.pop(0)
        was_small = self._size <= SMALL
        message = await self._receive()
        self._note(message)
        self._refuse_large()
        if self._size > SMALL and (was_small or self._is_read):
            await self._take_turns()
        return message

    async def close(self) -> None:
        """End the turns of this body: the request is answered."""
        await self._turns.aclose()

    def _note(self, message: Message) -> None:
        self._size += len(message.get("body", b""))
        self._is_read = not message.get("more_body", False)

    def _refuse_large(self) -> None:
        if self._size > self._limit:
            raise too_large(self._limit)

    _reads = _handles = False

    async def _take_turns(self) -> None:
        """Wait for a turn to read, then for one to be handled; a streamed file needs none."""
        if self._limit == float("inf"):
            return
        self._refuse_large()
        if not self._reads:
            self._reads = True
            await self._bodies.read(self._turns, self._owner)
        if self._is_read and not self._handles:
            self._handles = True
            await self._bodies.handle(self._turns)
