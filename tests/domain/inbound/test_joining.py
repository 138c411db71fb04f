"""Parts find their message, and are read once they are joined."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.inbound.joining import HORIZON, PartJoin, PartKey, ReceivedPart, join_of, joined_text
from dispatcher.domain.messages.alphabets import GSM7, UTF16, text_octets
from dispatcher.domain.messages.encoding import to_gsm7

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = PartKey("sim", "+254712345678", "40404", "7", 3)
SECOND = timedelta(seconds=1)


def part(number: int, text: str = "", *, ref: str | None = None) -> ReceivedPart:
    return ReceivedPart(number, text.encode(), GSM7, ref)


def a_join(*parts: ReceivedPart, id_: int = 1, at: datetime = NOW) -> PartJoin:
    return PartJoin(id_, KEY, at, parts={one.number: one for one in parts})


def test_a_part_belongs_to_the_message_that_lacks_it() -> None:
    join = a_join(part(1, "a"))
    assert join_of(part(2, "b"), [join], now=NOW) is join
    assert join_of(part(2, "b"), [], now=NOW) is None


def test_a_repeated_part_belongs_to_the_message_that_has_it() -> None:
    join = a_join(part(1, "a"))
    assert join_of(part(1, "a"), [join], now=NOW) is join


def test_another_text_under_the_same_number_begins_another_message() -> None:
    first = a_join(part(1, "a"))
    assert join_of(part(1, "z"), [first], now=NOW) is None
    second = a_join(part(1, "z"), id_=2)
    assert join_of(part(2, "b"), [first, second], now=NOW) is second


def test_after_the_horizon_a_reference_begins_another_message() -> None:
    old = a_join(part(1, "a"), at=NOW - HORIZON)
    assert join_of(part(2, "b"), [old], now=NOW) is None
    assert join_of(part(1, "a"), [old], now=NOW) is None
    assert join_of(part(2, "b"), [old], now=NOW - SECOND) is old


def test_a_part_with_a_reference_is_recognized_by_it_however_late() -> None:
    old = a_join(part(1, "a", ref="r1"), at=NOW - HORIZON)
    assert join_of(part(1, "a", ref="r1"), [old], now=NOW) is old
    recent = a_join(part(1, "a", ref="r1"))
    assert join_of(part(1, "a", ref="r2"), [recent], now=NOW) is None


def test_nothing_is_joined_across_a_missing_part() -> None:
    high, low = text_octets("😀")[:2], text_octets("😀")[2:]
    parts = [ReceivedPart(1, high, UTF16), ReceivedPart(3, low, UTF16)]
    assert joined_text(parts) == "��"


def test_parts_in_different_alphabets_are_each_read_in_their_own() -> None:
    parts = [ReceivedPart(2, text_octets("я"), UTF16), ReceivedPart(1, b"5 \x1b\x65", GSM7)]
    assert joined_text(parts) == "5 €я"
    assert joined_text([]) == ""


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff"), max_size=60), st.data())
def test_a_text_that_is_cut_anywhere_is_read_as_it_was_written(text: str, data: st.DataObject) -> None:
    octets = text_octets(text)
    _is_read_back(text, octets, UTF16, data)


@given(st.text(st.sampled_from("abc @£Δñ\n[]{}€~"), max_size=60), st.data())
def test_septets_that_are_cut_anywhere_are_read_as_they_were_written(text: str, data: st.DataObject) -> None:
    _is_read_back(text, to_gsm7(text), GSM7, data)


def _is_read_back(text: str, octets: bytes, alphabet: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(octets)), max_size=5)))
    ends = [*cuts, len(octets)]
    pieces = [octets[start:end] for start, end in zip([0, *cuts], ends, strict=True)]
    parts = [ReceivedPart(number, piece, alphabet) for number, piece in enumerate(pieces, 1)]
    assert joined_text(data.draw(st.permutations(parts))) == text
