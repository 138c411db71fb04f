"""Turns: work that a process does for one account at a time, and that waits without a connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from dispatcher.domain.errors import Unavailable

_PATIENCE: Final = 5.0  # seconds, as for a lock in the database


class AccountTurns:
    """Lets in one task of each account at a time. The others wait here, and occupy no connection."""

    def __init__(self, *, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, account_id: int) -> AsyncIterator[None]:
        """Wait for the account's turn. Raises Unavailable if it does not come within seconds."""
        lock = self._locks.setdefault(account_id, asyncio.Lock())
        try:
            await asyncio.wait_for(lock.acquire(), self._patience)
        except TimeoutError:
            raise Unavailable("earlier submissions of the account have not ended; try again") from None
        try:
            yield
        finally:
            lock.release()
