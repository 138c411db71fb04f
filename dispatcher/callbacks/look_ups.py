"""
Host names, looked up in threads that nothing else uses.

The system's resolver blocks its thread, and cannot be cancelled: a name server
that does not answer holds it for as long as the system waits, often half a
minute. In the loop's own pool a few such names would stop everything else
that needs a thread.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

from dispatcher.domain.callbacks.slots import MAX_CALLS

Find = Callable[[str, int], Sequence[str]]
"""Return the IP addresses of a host, given the host and a port; it blocks. Raises OSError if it has none."""

_LONGEST_HANG: Final = timedelta(seconds=30)


class SlowLookUp(OSError):
    """No address was found in time."""


class LookUps:
    """
    Looks hosts up, each name once at a time, with a deadline for those who wait.

    There are at most `MAX_CALLS` threads, one for each open call: see `hung`.
    They end with the process, whatever the resolver does.
    """

    def __init__(self, find: Find | None = None, *, deadline: timedelta = timedelta(seconds=2)) -> None:
        self._find = find or _find
        self._deadline = deadline
        self._running: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of a host. Raises OSError, and SlowLookUp at the deadline."""
        look_up = self._running.get((host, port)) or self._start(host, port)
        try:
            async with asyncio.timeout(self._deadline.total_seconds()):
                return await asyncio.shield(look_up)
        except TimeoutError:
            raise SlowLookUp(
                f"the host {host} was not found within {self._deadline.total_seconds():g} s"
            ) from None

    async def hung(self, host: str, port: int) -> None:
        """
        Wait for the end of a look-up that nobody waits for any more, for half a minute at most.

        A call that does so before it gives its slot back bounds the threads: an
        account whose names hang has no more of them than it has slots.
        """
        if (look_up := self._running.get((host, port))) is not None:
            await asyncio.wait([look_up], timeout=_LONGEST_HANG.total_seconds())

    def _start(self, host: str, port: int) -> "asyncio.Future[Sequence[str]]":
        if len(self._running) >= MAX_CALLS:
            raise SlowLookUp(f"the host {host} was not looked up: {MAX_CALLS} other look-ups hang")
        loop = asyncio.get_running_loop()
        look_up: asyncio.Future[Sequence[str]] = loop.create_future()
        self._running[host, port] = look_up

        def end(found: Sequence[str] | Exception) -> None:
            del self._running[host, port]
            if look_up.cancelled():
                return
            if isinstance(found, Exception):
                look_up.set_exception(found)
                look_up.exception()  # it may be that nobody waits for it
            else:
                look_up.set_result(found)

        def work() -> None:
            try:
                found: Sequence[str] | Exception = self._find(host, port)
            except Exception as error:
                found = error
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(end, found)

        try:
            threading.Thread(target=work, name=f"look-up {host}", daemon=True).start()
        except RuntimeError as error:
            del self._running[host, port]
            raise OSError(f"the host {host} was not looked up: no thread can be started") from error
        return look_up


def _find(host: str, port: int) -> Sequence[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # of the idna codec
        raise OSError(f"{host} is not a name that can be looked up") from error
    return [str(address[0]) for *_, address in found]
