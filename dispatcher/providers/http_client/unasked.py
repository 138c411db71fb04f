"""Whether a socket shows that what it has received can be no answer to the request that is written now."""

import asyncio
import fcntl
import select
import struct
import termios
from contextlib import suppress


def has_arrived(transport: asyncio.BaseTransport) -> bool:
    """Whether bytes, or the end of the connection, wait to be read from this transport."""
    number = _file_number(transport)
    if number < 0:
        return False
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))


def is_unacknowledged(transport: asyncio.BaseTransport) -> bool:
    """
    Whether the peer's kernel has not acknowledged all that was written.

    A segment that answers a request acknowledges it too, so what was received before
    answers something else. False where the kernel does not say.
    """
    number = _file_number(transport)
    if number >= 0:
        with suppress(OSError):
            (left,) = struct.unpack("i", fcntl.ioctl(number, termios.TIOCOUTQ, b"\0\0\0\0"))
            return bool(left)
    return False


def _file_number(transport: asyncio.BaseTransport) -> int:
    """Return the socket's number, -1 if it is closed."""
    found = transport.get_extra_info("socket")
    return -1 if found is None else int(found.fileno())
