"""What is done to a text before it is encoded: diacritics go, a way to opt out comes."""

import unicodedata
from functools import lru_cache

# Latin letters that Unicode does not decompose (contract of dialect 000).
_SPELLED = {
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
    Write Latin letters without their marks, also those that GSM-7 has (é, ü, ñ, à).

    Every other script keeps its own, й and ё too, and comes out in NFC. Doing
    it twice changes nothing.
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
        kept.append(_spell(char) if after_latin else char)
    return unicodedata.normalize("NFC", "".join(kept))


def with_stop_mention(text: str, mention: str) -> str:
    """Append how to opt out, unless the text ends with it already."""
    if text.rstrip().endswith(mention.strip()):
        return text
    return text + mention


@lru_cache(maxsize=4096)
def _is_latin(char: str) -> bool:
    return unicodedata.name(char, "").startswith(_LATIN_NAMES)


@lru_cache(maxsize=1024)
def _is_diacritic(mark: str) -> bool:
    """Tell a mark for any letter (U+0301) from one of a script (Thai, Hindi) and a variation selector."""
    return unicodedata.name(mark, "").startswith("COMBINING ")


@lru_cache(maxsize=4096)
def _spell(letter: str) -> str:
    """Spell one Latin letter: compatibility forms (ﬁ, Ａ, ǆ) in full, those of the contract as it says."""
    decomposed = unicodedata.normalize("NFKD", letter)
    return "".join(_SPELLED.get(char, char) for char in decomposed if not unicodedata.combining(char))
