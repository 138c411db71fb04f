"""What a process remembers of logins: valid credentials, checks in progress, failures for the log."""

import asyncio
import hmac
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from dispatcher.domain.errors import NotAuthenticated, Unavailable
from dispatcher.logs import one_line

log = structlog.get_logger()

LOGGED_A_MINUTE: Final = 10
"""How many failures of one address are logged in a minute, each in a line; the others are counted in one."""

AT_ONCE: Final = 8
"""How many unknown credentials of one address are checked at a time: the others see the failures of these."""

_PATIENCE = 10.0
_MOST = 10_000
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request presents to authenticate; `name` is its public half, "" if it has none."""

    secret: str
    name: str = ""


class Logins:
    """The logins of one process. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._valid: dict[bytes, None] = {}  # digests, the latest last
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._users: Counter[str] = Counter()
        self._minute = 0.0
        self._failed: Counter[str] = Counter()

    def remembers(self, presented: Presented) -> bool:
        """Whether this credential was valid when it was last presented."""
        return self._digest(presented) in self._valid

    def note_valid(self, presented: Presented) -> None:
        """Remember a credential that was found valid."""
        digest = self._digest(presented)
        self._valid.pop(digest, None)
        self._valid[digest] = None
        if len(self._valid) > _MOST:
            del self._valid[next(iter(self._valid))]

    def note_failure(self, presented: Presented, address: str, error: NotAuthenticated) -> None:
        """Forget a credential that is not valid, and log the failure unless its address has many."""
        self._valid.pop(self._digest(presented), None)
        if self._clock() - self._minute >= 60 or len(self._failed) >= _MOST:
            self._log_rest()
        self._failed[address] += 1
        if self._failed[address] <= LOGGED_A_MINUTE:
            name = one_line(presented.name[:_LONGEST_NAME])
            log.warning("login_failed", client=address, name=name, reason=str(error))

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Wait until another unknown credential of this address may be checked. Raises Unavailable."""
        turn = self._turns.setdefault(address, asyncio.Semaphore(AT_ONCE))
        self._users[address] += 1
        try:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await turn.acquire()
            except TimeoutError:
                raise Unavailable("too many logins of this address are being checked; try again") from None
            try:
                yield
            finally:
                turn.release()
        finally:
            self._users[address] -= 1
            if not self._users[address]:
                del self._users[address], self._turns[address]

    def _log_rest(self) -> None:
        """Log how many failures of the last minute have no line of their own, and begin another minute."""
        for address, count in self._failed.items():
            if count > LOGGED_A_MINUTE:
                log.warning("logins_failed", client=address, more=count - LOGGED_A_MINUTE)
        self._failed.clear()
        self._minute = self._clock()

    def _digest(self, presented: Presented) -> bytes:
        text = f"{presented.name}\0{presented.secret}".encode("utf-8", "replace")
        return hmac.digest(self._key, text, "sha256")
