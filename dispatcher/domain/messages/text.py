"""Changes to a text: without diacritics, with a note on how to opt out, or so that Postgres can store it."""

import unicodedata
from functools import lru_cache

# Latin letters that Unicode does not decompose (contract of dialect 000).
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
_LATIN_NAMES = ("LATIN ", "FULLWIDTH LATIN ")


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
