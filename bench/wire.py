"""A minimal HTTP/1.1 parser and the fastest event loop, for the bench's provider and floor."""

import asyncio
import importlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

END = b"\r\n\r\n"


class MalformedHttp(ValueError):
    """The data is not HTTP as this parser understands it."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request or response: the parts of its first line, its body's length, and Connection."""

    first: str
    second: str
    third: str
    length: int
    closes: bool


@lru_cache(maxsize=1024)
def read_head(head: bytes) -> Head:
    """
    Return the parsed head, given without its empty line. Raises MalformedHttp.

    Heads repeat, except for trace headers, so most are found in the cache. A
    body needs a Content-Length.
    """
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ", 2)
    if len(parts) != 3:
        raise MalformedHttp(f"not a first line of HTTP: {lines[0]!r}")
    fields = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
    }
    length = fields.get("content-length", "0")
    if "transfer-encoding" in fields or not (length.isascii() and length.isdecimal()):
        raise MalformedHttp("a body needs a Content-Length")
    first, second, third = parts
    return Head(first, second, third, int(length), fields.get("connection", "").lower() == "close")


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end, on uvloop if that is installed."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return asyncio.new_event_loop
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)
