"""Text: which marks are removed, which stay, the note on STOP, and what Postgres can store."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.messages.text import (
    describe_blank,
    is_blank,
    storable_text,
    strip_latin_diacritics,
    with_stop_mention,
)

texts = st.text(st.characters(exclude_categories=["Cs"]))
letters_and_marks = st.text(
    st.sampled_from("aéñøłẞİı\u0301\u0306\u0323\ufe0fийёаआ\u093fक़กำที่한\u1100\u1161Ωά=Ǆﬁ")
)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("é ü ñ à Ç Å", "e u n a C A"),
        ("Zażółć gęślą jaźń", "Zazolc gesla jazn"),
        ("ß ø ł đ æ œ ı", "ss o l d ae oe i"),
        ("ẞ Ø Ł Đ Æ Œ İ", "SS O L D AE OE I"),
        ("Việt Nam", "Viet Nam"),
        ("ǿ ǽ", "o ae"),
        ("e\u0301 n\u0303", "e n"),
        ("ﬁ Ａ ǆ", "fi A dz"),
        ("it’s 5 €", "it’s 5 €"),
    ],
)
def test_latin_letters_lose_their_marks(text: str, plain: str) -> None:
    assert strip_latin_diacritics(text) == plain


@pytest.mark.parametrize(
    "text",
    [
        "Мой ёж, їжак",
        "Ελλάδα, ϊός",
        "مُحَمَّد آب",
        "हिन्दी में",
        "ภาษาไทย ที่นี่",
        "한국어",
        "が",
        "1\ufe0f\u20e3",
        "H₂O ½ ™",
    ],
)
def test_other_scripts_and_symbols_stay_as_they_are(text: str) -> None:
    assert strip_latin_diacritics(text) == unicodedata.normalize("NFC", text)


def test_other_scripts_are_returned_composed() -> None:
    assert strip_latin_diacritics("и\u0306 é") == "й e"


def test_a_mark_after_a_cyrillic_letter_stays_even_after_a_latin_one() -> None:
    assert strip_latin_diacritics("éй") == "eй"


def test_a_mark_of_another_script_after_a_latin_letter_stays() -> None:
    assert strip_latin_diacritics("a\u093f") == "a\u093f"


@given(texts | letters_and_marks)
def test_stripping_twice_changes_nothing(text: str) -> None:
    once = strip_latin_diacritics(text)
    assert strip_latin_diacritics(once) == once


@given(texts | letters_and_marks)
def test_the_result_is_composed_unless_it_is_ascii(text: str) -> None:
    stripped = strip_latin_diacritics(text)
    assert unicodedata.is_normalized("NFC", stripped)


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_is_unchanged(text: str) -> None:
    assert strip_latin_diacritics(text) == text


def test_the_mention_comes_at_the_end() -> None:
    assert with_stop_mention("Sale!", "\nSTOP: reply STOP") == "Sale!\nSTOP: reply STOP"


@pytest.mark.parametrize("text", ["Sale!\nSTOP: reply STOP", "Sale! STOP: reply STOP \n"])
def test_a_text_that_ends_with_the_mention_is_unchanged(text: str) -> None:
    assert with_stop_mention(text, "\nSTOP: reply STOP") == text


def test_an_empty_mention_adds_nothing() -> None:
    assert with_stop_mention("Sale!", "") == "Sale!"


@given(st.text(), st.text())
def test_the_mention_is_idempotent(text: str, mention: str) -> None:
    once = with_stop_mention(text, mention)
    assert with_stop_mention(once, mention) == once


@pytest.mark.parametrize(
    ("text", "stored"), [("é 🙂", "é 🙂"), ("a\0b", "ab"), ("\ud83d!", "?!"), ("abcdef", "abcde")]
)
def test_a_storable_text_has_no_nul_and_no_half_of_a_surrogate_pair_and_is_cut(
    text: str, stored: str
) -> None:
    assert storable_text(text, longest=5) == stored


def test_a_nul_can_become_another_character() -> None:
    assert storable_text("a\0b", nul="?") == "a?b"


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n\t\r\x00\x07\x1b\x7f\x85",
     "\u00a0\u1680\u2003\u2028\u202f\u205f\u3000", "\u200b\u200d\ufeff",
     "\u00ad\u034f\u061c", "\u115f\u1160\u3164\uffa0", "\u17b4\u17b5\u180e", "\ufe0f\U000e0100\U000e0041",
     "\u2066\u2069\u202e", "\u2800", "\ufff9\ufffb", " \u200b \u3164 "],
)  # fmt: skip
def test_a_text_of_invisible_characters_alone_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize(
    "text", ["a", "\u200b.\u200b", "\u0600", "\u0301", "👍🏽", "\u2801", "한", "\ue000", "\ufffd"]
)
def test_a_text_that_shows_anything_is_not_blank(text: str) -> None:
    assert not is_blank(text)


def test_no_format_character_is_forgotten_but_those_that_have_a_glyph() -> None:
    formats = (char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) == "Cf")
    visible = {char for char in formats if not is_blank(char)}
    prepended = set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
    hieroglyphs = {chr(code) for code in range(0x13430, 0x13440)}
    assert visible <= prepended | hieroglyphs


def test_a_blank_text_is_described_by_its_invisible_characters() -> None:
    assert describe_blank(" ") == " "
    assert describe_blank(" \u200b\u200b\u3164") == "it has only U+200B, U+3164, which nobody sees"
