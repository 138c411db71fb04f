"""Whether a secret may be valid, as far as memory says: a wrong one costs no query, a valid one gets in."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from dispatcher.domain.errors import Unavailable
from dispatcher.service.accounts import tokens
from dispatcher.service.accounts.credentials import digest_of
from dispatcher.service.context import Context
from dispatcher.store.accounts import secrets_in_use
from dispatcher.store.accounts.secrets_in_use import SecretsInUse

log = structlog.get_logger()

MOST: Final = 100_000
"""How many secrets of each table are kept, 10 MiB; beyond that the latest."""

_INTERVAL = 1.0
_REST = 20  # times as long as reading took, so that it takes a twentieth of the time at most


class KnownSecrets:
    """
    The digests of all secrets in use.

    They are read again when one is asked for that is not there, at most once a second. So a
    new secret may be missing for a second. `clock` returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._read = SecretsInUse(frozenset(), frozenset())
        self._next = float("-inf")
        self._reading = asyncio.Lock()

    async def includes(self, ctx: Context, secret: str) -> bool:
        """Whether a generated secret or signed token may be valid."""
        if tokens.is_signed(ctx, secret):
            return True
        digest = digest_of(secret)
        if digest not in self._read.digests:
            await self._read_again(ctx)
        return digest in self._read.digests

    async def includes_login(self, ctx: Context, name: str) -> bool:
        """Whether there is a console login with this name."""
        if name not in self._read.logins:
            await self._read_again(ctx)
        return name in self._read.logins

    async def _read_again(self, ctx: Context) -> None:
        """Read what is in use, unless that was done a moment ago; without Postgres what was read stays."""
        async with self._reading:
            started = self._clock()
            if started < self._next:
                return
            try:
                self._read = await ctx.database.transact(
                    lambda c: secrets_in_use.read(c, now=ctx.now(), limit=MOST)
                )
            except Unavailable as error:
                log.warning("secrets_not_read", error=str(error))
            finally:
                ended = self._clock()
                self._next = ended + max(_INTERVAL, _REST * (ended - started))
