"""What the bench's provider and its floor share: HTTP/1.1 cut by hand, and the fastest loop there is."""

import asyncio
import importlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

END = b"\r\n\r\n"


class Garbled(ValueError):
    """What came is not the HTTP that is spoken here."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request or an answer: its first line in three, how long its body is, and who hangs up."""

    first: str
    second: str
    third: str
    length: int
    closes: bool


@lru_cache(maxsize=1024)
def read_head(head: bytes) -> Head:
    """
    Read all before the empty line. Raises Garbled.

    Heads repeat, but for what carries a trace, so most are looked up. Only
    bodies with a Content-Length, or none, are understood.
    """
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ", 2)
    if len(parts) != 3:
        raise Garbled(f"no first line of HTTP: {lines[0]!r}")
    fields = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
    }
    length = fields.get("content-length", "0")
    if "transfer-encoding" in fields or not (length.isascii() and length.isdecimal()):
        raise Garbled("a body needs a Content-Length")
    first, second, third = parts
    return Head(first, second, third, int(length), fields.get("connection", "").lower() == "close")


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run to the end, on uvloop where it is installed."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return asyncio.new_event_loop
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)
