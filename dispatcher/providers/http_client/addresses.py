"""The addresses of a provider's host, cached for a short time."""

import asyncio
import socket
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

DNS_CACHE_TTL: Final = timedelta(seconds=60)


class HostAddresses:
    """The addresses of one host: one lookup serves all concurrent callers and is kept for `DNS_CACHE_TTL`."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._known: Sequence[str] = ()
        self._until = 0.0
        self._lookup: asyncio.Task[None] | None = None

    async def find(self) -> Sequence[str]:
        """Return the addresses, the preferred one first. Raises OSError or UnicodeError if there is none."""
        if self._until <= asyncio.get_running_loop().time():
            if self._lookup is None or self._lookup.done():
                self._lookup = asyncio.create_task(self._look_up())
                self._lookup.add_done_callback(lambda task: task.cancelled() or task.exception())
            await asyncio.shield(self._lookup)
        return self._known

    def prefer(self, address: str) -> None:
        """Put this address first from now on, so that a dead one before it costs its timeout only once."""
        if self._known[0] != address:
            self._known = (address, *(other for other in self._known if other != address))

    async def _look_up(self) -> None:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        self._known = tuple(dict.fromkeys(str(address[0]) for *_, address in found))
        self._until = loop.time() + DNS_CACHE_TTL.total_seconds()
