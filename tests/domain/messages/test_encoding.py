"""Encoding: the size of a text is the number of its parts."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.messages.alphabets import decode_text
from dispatcher.domain.messages.encoding import (
    Encoded,
    Encoding,
    InvalidText,
    measure,
    split,
    to_gsm7,
)

GSM7 = Encoding.GSM7
UCS2 = Encoding.UCS2
EXTENSION = "\f^{}\\[~]|€"

sendable = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=500)
septets_only = st.text(st.sampled_from("abc @£Δñ\n" + EXTENSION), max_size=500)
many_pairs = st.text(st.sampled_from("яж😀🇰"), max_size=300)
texts = st.one_of(sendable, septets_only, many_pairs)


def units(part: str, encoding: Encoding) -> int:
    if encoding is GSM7:
        return len(to_gsm7(part))
    return len(part.encode("utf-16-be")) // 2


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("", Encoded(GSM7, 0, 0)),
        ("a", Encoded(GSM7, 1, 1)),
        ("a" * 160, Encoded(GSM7, 160, 1)),
        ("a" * 161, Encoded(GSM7, 161, 2)),
        ("a" * 306, Encoded(GSM7, 306, 2)),
        ("a" * 307, Encoded(GSM7, 307, 3)),
        ("€" * 80, Encoded(GSM7, 160, 1)),
        ("€" * 81, Encoded(GSM7, 162, 2)),
        ("я" * 70, Encoded(UCS2, 70, 1)),
        ("я" * 71, Encoded(UCS2, 71, 2)),
        ("я" * 134, Encoded(UCS2, 134, 2)),
        ("я" * 135, Encoded(UCS2, 135, 3)),
        ("😀" * 35, Encoded(UCS2, 70, 1)),
        ("😀" * 36, Encoded(UCS2, 72, 2)),
    ],
)
def test_a_text_has_the_size_in_the_table(text: str, plan: Encoded) -> None:
    assert measure(text) == plan


@pytest.mark.parametrize("text", ["@£$¥èéùìòÇ\nØø\rÅå", "ΔΦΓΛΩΠΨΣΘΞ", "ÆæßÉ¤¡ÄÖÑÜ§¿äöñüà_", EXTENSION])
def test_characters_of_both_gsm_tables_need_no_ucs2(text: str) -> None:
    assert measure(text).encoding is GSM7


@pytest.mark.parametrize("char", ["ç", "Ё", "`", "á", "ı", "\t", "\x1b", "Α", "“"])
def test_one_character_outside_gsm_makes_the_whole_text_ucs2(char: str) -> None:
    assert measure("plain " + char) == Encoded(UCS2, 7, 1)


def test_an_escape_pair_that_does_not_fit_moves_to_the_next_part() -> None:
    assert split("a" * 152 + "€" + "b" * 10) == ("a" * 152, "€" + "b" * 10)


def test_a_surrogate_pair_that_does_not_fit_moves_to_the_next_part() -> None:
    assert split("я" * 66 + "😀" + "ж" * 10) == ("я" * 66, "😀" + "ж" * 10)


def test_a_moved_pair_can_need_one_more_segment() -> None:
    text = "a" * 152 + "€" + "a" * 152
    assert measure(text) == Encoded(GSM7, 306, 3)


def test_an_empty_text_has_no_parts() -> None:
    assert split("") == ()


@pytest.mark.parametrize(
    ("text", "position"), [("ab\ud83d", 2), ("\ude00b", 0), ("я\ud83d\ude00", 1), ("a\0", 1)]
)
def test_half_a_pair_and_nul_are_refused_with_their_position(text: str, position: int) -> None:
    for refuse in (measure, split):
        with pytest.raises(InvalidText, match=f"character {position + 1} ") as caught:
            refuse(text)
        assert caught.value.position == position


def test_septets_are_the_positions_in_the_tables() -> None:
    assert to_gsm7("@A€à") == bytes([0x00, 0x41, 0x1B, 0x65, 0x7F])


def test_every_septet_except_the_escape_has_a_character() -> None:
    basic = [chr(code) for code in range(0x10000) if is_one_septet(chr(code))]
    assert sorted(to_gsm7("".join(basic))) == [code for code in range(128) if code != 0x1B]


def is_one_septet(char: str) -> bool:
    try:
        return measure(char) == Encoded(GSM7, 1, 1)
    except InvalidText:
        return False


def test_to_gsm7_refuses_other_characters_with_their_position() -> None:
    with pytest.raises(InvalidText) as caught:
        to_gsm7("abcç")
    assert caught.value.position == 3


@given(texts)
def test_the_parts_joined_are_the_text(text: str) -> None:
    assert "".join(split(text)) == text


@given(texts)
def test_the_number_of_segments_is_the_number_of_parts(text: str) -> None:
    assert measure(text).segments == len(split(text))


@given(texts)
def test_every_part_fits_and_no_part_ends_within_a_pair(text: str) -> None:
    plan, parts = measure(text), split(text)
    room = plan.encoding.single if len(parts) == 1 else plan.encoding.part
    widths = [units(part, plan.encoding) for part in parts]  # a cut pair could not be encoded
    assert all(0 < width <= room for width in widths)
    assert sum(widths) == plan.units


@given(texts)
def test_a_part_is_shorter_only_before_a_pair(text: str) -> None:
    encoding, parts = measure(text).encoding, split(text)
    for part, following in pairwise(parts):
        assert units(part, encoding) + units(following[0], encoding) > encoding.part


@given(septets_only)
def test_septets_are_read_as_they_were_written(text: str) -> None:
    assert decode_text(to_gsm7(text), "gsm7") == text
