"""Texts: whether one shows anything, and changes to them (diacritics, a note on how to opt out, storage)."""

import unicodedata
from functools import lru_cache

# Latin letters that Unicode does not decompose, as the dialect Emess spells them.
_TRANSLITERATIONS = {
    "ß": "ss",
    "ẞ": "SS",
    "ø": "o",
    "Ø": "O",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "æ": "ae",
    "Æ": "AE",
    "œ": "oe",
    "Œ": "OE",
    "ı": "i",
}
_NAMED = 5  # characters in an error
_LATIN_NAMES = ("LATIN ", "FULLWIDTH LATIN ")

# Default_Ignorable_Code_Point (DerivedCoreProperties.txt of Unicode 16), and after it those that have a width
# and no ink: interlinear annotations, the blank Braille pattern, the null notehead.
_INVISIBLE = frozenset(
    chr(code)
    for first, last in (
        (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
        (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F),
        (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A),
        (0xE0000, 0xE0FFF),
        (0xFFF9, 0xFFFB), (0x2800, 0x2800), (0x1D159, 0x1D159),
    )
    for code in range(first, last + 1)
)  # fmt: skip


def is_blank(text: str) -> bool:
    """Return whether a text shows nothing: it has white space, controls and invisible characters alone."""
    return all(char.isspace() or char in _INVISIBLE or unicodedata.category(char) == "Cc" for char in text)


def describe_blank(text: str) -> str:
    """Return a blank text, or which invisible characters it has: nobody would see them in a message."""
    invisible = dict.fromkeys(f"U+{ord(char):04X}" for char in text if not char.isspace())
    return f"it has only {', '.join(list(invisible)[:_NAMED])}, which nobody sees" if invisible else text


def strip_latin_diacritics(text: str) -> str:
    """
    Return a text with its Latin letters without diacritics, also those that GSM-7 has (é, ü, ñ, à).

    Other scripts keep their marks, such as й and ё, and are normalized to
    NFC. The function is idempotent.
    """
    if text.isascii():
        return text
    kept: list[str] = []
    after_latin = False
    for char in unicodedata.normalize("NFD", text):
        if unicodedata.category(char).startswith("M"):
            if not (after_latin and _is_diacritic(char)):
                kept.append(char)
            continue
        after_latin = _is_latin(char)
        kept.append(_transliterate(char) if after_latin else char)
    return unicodedata.normalize("NFC", "".join(kept))


def with_stop_mention(text: str, mention: str) -> str:
    """Return a text that ends with a note on how to opt out, appended unless it is there already."""
    if text.rstrip().endswith(mention.strip()):
        return text
    return text + mention


def storable_text(text: str, *, nul: str = "", longest: int | None = None) -> str:
    """
    Return a text that Postgres can store, cut to its first `longest` characters.

    NUL becomes `nul`, and half of a surrogate pair a question mark.
    """
    return text[:longest].replace("\0", nul).encode(errors="replace").decode()


@lru_cache(maxsize=4096)
def _is_latin(char: str) -> bool:
    return unicodedata.name(char, "").startswith(_LATIN_NAMES)


@lru_cache(maxsize=1024)
def _is_diacritic(mark: str) -> bool:
    """Return whether a mark is for any letter (U+0301), and not for one script (Thai)."""
    return unicodedata.name(mark, "").startswith("COMBINING ")


@lru_cache(maxsize=4096)
def _transliterate(letter: str) -> str:
    """Return a Latin letter without marks; compatibility forms (ﬁ, Ａ, ǆ) are spelled out."""
    decomposed = unicodedata.normalize("NFKD", letter)
    return "".join(
        _TRANSLITERATIONS.get(char, char) for char in decomposed if not unicodedata.combining(char)
    )
