"""
JSON and forms in slices: a large body is read without keeping the loop from other requests.

A thread would not help, because Python's parser of JSON lets no other thread run.
"""

import json
import re
from collections.abc import Callable, Generator, Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed lacks it
from typing import Any, Final, TypeVar
from urllib.parse import unquote_to_bytes

from dispatcher.service.yielding import yielding

T = TypeVar("T")
Pairs = list[tuple[str, Any]]

DEEPEST: Final = 64
"""How many objects and arrays may be inside one another."""

MOST_VALUES: Final = 200_000
"""How many values and members a large document may have: more are no numbers of phones, and take seconds."""

_SPACE = re.compile(r"[ \t\n\r]*").match
_CHUNK = 16 * 1024


class TooManyValues(Exception):
    """A document has more than MOST_VALUES values."""


class SlicedDecoder:
    """
    Reads one JSON document; the arguments are those of `json.loads`, and so are the results and ValueError.

    It refuses a document with very many values, too.
    """

    def __init__(
        self, *, parse_constant: Callable[[str], Any], object_pairs_hook: Callable[[Pairs], Any] | None = None
    ) -> None:
        self._scalar = json.JSONDecoder(parse_constant=parse_constant).scan_once  # type: ignore[attr-defined]
        self._object = object_pairs_hook or dict
        self._values = 0

    async def decode(self, raw: bytes) -> Any:
        """Return the document. Raises ValueError if it is no JSON or too deeply nested, and TooManyValues."""
        return await in_slices(self.steps(raw))

    def steps(self, raw: bytes) -> Generator[None, None, Any]:
        """Read the document, and yield after each value."""
        text = raw.decode(json.detect_encoding(raw), "surrogatepass")
        value, end = yield from self._value(text, _skip(text, 0), 0)
        if _skip(text, end) != len(text):
            raise ValueError("there is more after the document")
        return value

    def _value(self, text: str, at: int, depth: int) -> Generator[None, None, tuple[Any, int]]:
        match text[at : at + 1]:
            case "{" | "[" if depth == DEEPEST:
                raise ValueError("nested too deeply")
            case "{":
                pairs, end = yield from self._items(text, at, depth, self._member)
                return self._object(pairs), end
            case "[":
                return (yield from self._items(text, at, depth, self._value))
        try:
            value, end = self._scalar(text, at)
        except StopIteration:
            raise ValueError("a value is missing") from None
        return value, end

    def _items(
        self, text: str, at: int, depth: int, read: Callable[..., Generator[None, None, tuple[Any, int]]]
    ) -> Generator[None, None, tuple[list[Any], int]]:
        """Read what is between the brackets of an array or object."""
        closing = "}" if text[at] == "{" else "]"
        items: list[Any] = []
        at = _skip(text, at + 1)
        if text[at : at + 1] == closing:
            return items, at + 1
        while True:
            item, at = yield from read(text, at, depth + 1)
            items.append(item)
            self._values += 1
            if self._values > MOST_VALUES:
                raise TooManyValues
            yield
            at = _skip(text, at)
            separator = text[at : at + 1]
            if separator == closing:
                return items, at + 1
            if separator != ",":
                raise ValueError("a comma is missing")
            at = _skip(text, at + 1)

    def _member(self, text: str, at: int, depth: int) -> Generator[None, None, tuple[tuple[str, Any], int]]:
        if text[at : at + 1] != '"':
            raise ValueError("a name is missing")
        name, at = scanstring(text, at + 1, True)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise ValueError("a colon is missing")
        value, at = yield from self._value(text, _skip(text, at + 1), depth)
        return (name, value), at


def members_at_start(raw: bytes) -> dict[str, object]:
    """Return those members of a JSON object that are whole in its first part; none if it is no object."""
    text = raw.decode("utf-8", "ignore")
    found: dict[str, object] = {}
    decoder = json.JSONDecoder()
    at = _skip(text, 0)
    separator = "{"
    try:
        while text[at : at + 1] == separator:
            at = _skip(text, at + 1)
            if text[at : at + 1] != '"':
                break
            name, at = scanstring(text, at + 1, True)
            at = _skip(text, at)
            if text[at : at + 1] != ":":
                break
            value, at = decoder.raw_decode(text, _skip(text, at + 1))
            found[name] = value
            at, separator = _skip(text, at), ","
    except (ValueError, RecursionError):
        pass
    return found


async def unquote_in_slices(raw: bytes) -> str:
    """Return a name or value of a form, decoded; a byte that is not UTF-8 becomes half a surrogate pair."""
    if len(raw) <= _CHUNK:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8", "surrogateescape")
    parts = [unquote_to_bytes(part.replace(b"+", b" ")) async for part in yielding(_chunks(raw))]
    return b"".join(parts).decode("utf-8", "surrogateescape")


def _chunks(raw: bytes) -> Iterator[bytes]:
    """Yield the parts of a quoted value, none of which ends within an escape sequence."""
    start = 0
    while start < len(raw):
        end = start + _CHUNK
        escape = raw.rfind(b"%", end - 2, end)
        end = escape if escape > start else end
        yield raw[start:end]
        start = end


async def in_slices(steps: Generator[None, None, T]) -> T:
    """Return the result of a generator, and let other tasks of the loop run after each millisecond."""
    kept: list[T] = []

    def stepping() -> Iterator[None]:
        kept.append((yield from steps))

    async for _ in yielding(stepping()):
        pass
    return kept[0]


def _skip(text: str, at: int) -> int:
    """Return the index of the next character that is not white space."""
    found = _SPACE(text, at)
    assert found is not None
    return found.end()
