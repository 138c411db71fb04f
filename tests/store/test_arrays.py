"""Lists reach Postgres unchanged."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.store.engine import ArrayDumper, array
from tests.conftest import plain_url


class Colour(StrEnum):
    RED = "red"


class Code(IntEnum):
    SENT = 12


AT = datetime(2026, 11, 21, 17, 30, 0, 250, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))

LISTS: list[tuple[str, list[Any], list[Any] | None]] = [
    ("bigint", [], []),
    ("bigint", [None], [None]),
    ("bigint", [1, -(2**62), None, 3], [1, -(2**62), None, 3]),
    ("smallint", [Code.SENT, None], [12, None]),
    ("double precision", [0.1, 1e300, None], [0.1, 1e300, None]),
    ("boolean", [True, False, None], [True, False, None]),
    ("text", ["", "NULL", "null", " a ", "{}", ",", '"', "\\", "a\nb", "é😀", None], None),
    ("text", ['"', '","', "a"], None),
    ("text", [Colour.RED, "blue", None], ["red", "blue", None]),
    ("timestamptz", [AT, None, AT.astimezone(UTC)], None),
    ("interval", [timedelta(days=3, microseconds=-7), timedelta(seconds=-2), None], None),
    ("bytea", [b"", b"\x00\xff\\", None], None),
    ("uuid", [UUID(int=7), None], None),
]  # fmt: skip


@pytest.fixture
def connection(database_url: str) -> Iterator[Any]:
    with psycopg.connect(plain_url(database_url)) as connection:
        connection.adapters.register_dumper(list, ArrayDumper)
        yield connection


@pytest.mark.parametrize(("of", "given", "read"), LISTS)
def test_each_kind_of_list_arrives_unchanged(connection: Any, of: str, given: Any, read: Any) -> None:
    [got] = connection.execute(f"SELECT %s::{of}[]", [given]).fetchone()
    assert got == (given if read is None else read)


def test_a_statement_is_prepared_once_for_any_lists(connection: Any) -> None:
    for values in ([], [None], [1], [2**40]):
        connection.execute("SELECT %s::bigint[]", [values], prepare=True)
    [count] = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    assert count == 1


@given(st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_any_text_is_quoted_so_that_it_ends_where_it_should(texts: list[str | None]) -> None:
    assert _read(array(texts)) == texts


@pytest.mark.parametrize("bad", [["a\0b"], ["\0"], [object()], [uuid4(), {}], [["nested"]]])
def test_items_that_an_array_cannot_have_are_refused(bad: list[Any]) -> None:
    with pytest.raises(psycopg.DataError):
        array(bad)


def _read(literal: str) -> list[str | None]:
    """Return the items of an array, by PostgreSQL's manual (8.15.6)."""
    assert literal[0] == "{"
    assert literal[-1] == "}"
    rest, items = literal[1:-1], list[str | None]()
    while rest:
        if rest.startswith("NULL"):
            items.append(None)
            rest = rest[4:]
        else:
            assert rest[0] == '"'
            item, at = "", 1
            while rest[at] != '"':
                at += rest[at] == "\\"
                item += rest[at]
                at += 1
            items.append(item)
            rest = rest[at + 1 :]
        assert not rest or rest[0] == ","
        rest = rest[1:]
    return items
