"""What a process remembers of logins: valid credentials, checks in progress, failures for the log."""

import asyncio
import hmac
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from dispatcher.domain.errors import NotAuthenticated, Unavailable
from dispatcher.logs import one_line

log = structlog.get_logger()

T = TypeVar("T")

LOGGED_A_MINUTE: Final = 10
"""How many failures of one address are logged in a minute, each in a line; the others are counted in one."""

AT_ONCE: Final = 8
"""How many unknown credentials of one address are checked at a time: the others see the failures of these."""

REFUSED_FOR: Final = 10.0
"""How many seconds a credential that was not valid is taken for one that is not."""

_PATIENCE = 10.0
_MOST = 10_000
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Presented:
    """
    What a request presents to authenticate, and what is checked of it: at this `door` alone.

    `door` is the API. `name` is the public half, "" if there is none. `is_password`
    means that a person chose the secret: it can be guessed, and checking it is slow.
    """

    door: str
    secret: str
    name: str = ""
    is_password: bool = False


class Logins:
    """The logins of one process. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._valid: dict[bytes, None] = {}  # digests, the latest last
        self._refused: dict[bytes, float] = {}  # digests with their time, the latest last
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._users: Counter[str] = Counter()
        self._minute = 0.0
        self._failed: Counter[str] = Counter()

    def remembers(self, presented: Presented) -> bool:
        """Whether this credential was valid when it was last presented."""
        return self._digest(presented) in self._valid

    def was_refused(self, presented: Presented) -> bool:
        """Whether this credential was not valid a moment ago."""
        return self._clock() - self._refused.get(self._digest(presented), float("-inf")) < REFUSED_FOR

    def note_valid(self, presented: Presented) -> None:
        """Remember a credential that was found valid."""
        digest = self._digest(presented)
        self._refused.pop(digest, None)
        _put_last(self._valid, digest, None)

    def note_failure(self, presented: Presented, address: str, error: NotAuthenticated) -> None:
        """Forget a credential that is not valid, and log the failure unless its address has many."""
        digest = self._digest(presented)
        self._valid.pop(digest, None)
        _put_last(self._refused, digest, self._clock())
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
        text = f"{presented.door}\0{presented.is_password}\0{presented.name}\0{presented.secret}".encode(
            "utf-8", "replace"
        )
        return hmac.digest(self._key, text, "sha256")


def _put_last(known: dict[bytes, T], digest: bytes, value: T) -> None:
    """Put an entry at the end, and drop the first if there are too many."""
    known.pop(digest, None)
    known[digest] = value
    if len(known) > _MOST:
        del known[next(iter(known))]
