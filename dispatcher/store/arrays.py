"""
Lists as parameters of statements.

psycopg determines the type of each list from its items and dumps them one by
one, which was a fifth of the cost of a submission. Here a list is written at
once and its type is left to the statement, as in CAST(:ids AS bigint[]). So a
statement is prepared once, not once for each combination of types.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import DataError
from psycopg.adapt import Dumper
from psycopg.pq import Format


class ArrayDumper(Dumper):
    """Writes a flat list as a Postgres array. Raises DataError for items that cannot be in one."""

    format = Format.TEXT
    oid = 0  # unknown: the statement casts it

    def dump(self, obj: list[Any]) -> bytes:
        """Return a list as the bytes of a Postgres array."""
        return array(obj).encode()


def array(items: list[Any]) -> str:
    """Return a list as the text of a Postgres array."""
    types = set(map(type, items))
    if len(types) == 1:
        [item_type] = types
        write = _WRITE.get(item_type) or _writer(item_type)
        if write is not _text:
            return "{" + ",".join(map(write, items)) + "}"
        joined = '","'.join(items)
        if joined.count('"') == 2 * (len(items) - 1) and "\\" not in joined and "\0" not in joined:
            return f'{{"{joined}"}}'
    return "{" + ",".join([(_WRITE.get(type(item)) or _writer(type(item)))(item) for item in items]) + "}"


def _text(item: str) -> str:
    if "\0" in item:
        raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    escaped = item.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_WRITE: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "NULL",
    bool: lambda item: "t" if item else "f",
    int: str,
    float: repr,
    str: _text,
    UUID: lambda item: item.hex,
    datetime: datetime.isoformat,
    timedelta: lambda item: f"{item / timedelta(microseconds=1):.0f}us",
    bytes: lambda item: f'"\\\\x{item.hex()}"',
}


def _writer(item_type: type) -> Callable[[Any], str]:
    """Return the writer for a subclass, such as a StrEnum."""
    for base in (str, int):
        if issubclass(item_type, base):
            return lambda item: _WRITE[base](base(item))
    raise DataError(f"a list of {item_type.__name__} cannot be a parameter")
