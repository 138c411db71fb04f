"""Checks of passwords that people choose: slow on purpose, so one at a time; right ones are remembered."""

import asyncio
import hmac
import secrets
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from typing import TypeVar, TypeVarTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from dispatcher.domain.errors import RateLimited

REMEMBERED_FOR = timedelta(minutes=5)
"""How long a right password is not hashed again."""

MOST_WAITING = 64
"""How many checks may wait: each takes some 50 ms of a core."""

MOST_FROM_ONE = 4
"""How many of them may be from one source, so that others have their turn."""

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

# More than OWASP's least (46 MiB, one pass). One lane leaves the other cores to Postgres and the loop.
_ARGON2 = PasswordHasher(time_cost=2, memory_cost=46 * 1024, parallelism=1)
_MOST_REMEMBERED = 1000


class PasswordChecker:
    """Hashes and checks passwords for one process, with argon2 in a thread of its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="argon2")
        self._waiting: Counter[str] = Counter()  # checks by source
        self._key = secrets.token_bytes(32)
        self._right_until: dict[bytes, float] = {}  # by a digest of hash and password

    async def hash(self, password: str) -> str:
        """Return the hash of a new password. Raises RateLimited while too many checks wait."""
        return await self._run("", _ARGON2.hash, password)

    def remembers(self, known: str, password: str) -> bool:
        """Return whether this password was found right for this hash a short while ago."""
        return self._right_until.get(self._digest(known, password), 0) > time.monotonic()

    async def is_right(self, known: str | None, password: str, *, source: str) -> bool:
        """
        Return whether a password is right; without a hash it takes as long and is wrong.

        `source` is where it comes from, such as an address.

        Raises RateLimited while too many checks wait.
        """
        if not await self._run(source, _is_right, known, password) or known is None:
            return False
        if len(self._right_until) >= _MOST_REMEMBERED:
            self._right_until.clear()
        self._right_until[self._digest(known, password)] = time.monotonic() + REMEMBERED_FOR.total_seconds()
        return True

    async def _run(self, source: str, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        if self._waiting[source] >= MOST_FROM_ONE or self._waiting.total() >= MOST_WAITING:
            raise RateLimited(
                "too many passwords are being checked; try again", retry_after=timedelta(seconds=1)
            )
        self._waiting[source] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
        finally:
            self._waiting -= Counter([source])

    def _digest(self, known: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{known}\0{password}".encode("utf-8", "replace"), "sha256")


def _is_right(known: str | None, password: str) -> bool:
    dummy = _dummy_hash()  # always computed: its first call takes twice as long
    try:
        return _ARGON2.verify(known or dummy, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _dummy_hash() -> str:
    return _ARGON2.hash(secrets.token_urlsafe(32))
