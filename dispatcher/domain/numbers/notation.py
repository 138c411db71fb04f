"""
The notations of phone numbers, reduced to what is dialled: digits, with or without "+".

Separators stand between groups of digits (ITU-T E.123). Spreadsheets, web pages
and address books add decorations, which mean nothing: a leading apostrophe,
`="…"`, `tel:` (RFC 3966), the trunk prefix in brackets as in "+44 (0) 20", format
characters, a trailing ".0". A text that may be another number, or a part of one, is refused.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from dispatcher.domain.numbers.number_fault import NumberFault

# Not shown, like category Cf: joiners, fillers, vowels without a form, and variation selectors.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0") | {
    chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}
_LOOKALIKES = {
    **dict.fromkeys("\u2043\u2212\u30fc", "-"),
    **dict.fromkeys("\u00b7\u2027\u2219\u22c5\u30fb", "."),
    **dict.fromkeys("\u2044\u2215", "/"),
}
_PUNCTUATION = frozenset("+-./()[]=,;:'\"")

_QUOTED = re.compile(
    r"['`\u2018\u2019\u02bc\u00b4](.*?)['`\u2018\u2019\u02bc\u00b4]?|[\"\u201c-\u201e](.*)[\"\u201c-\u201e]"
)
_SCHEME = re.compile(r"(?:tel|sms):", re.IGNORECASE)
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?[eE][+-]?[0-9]+")
_DECIMAL = re.compile(r"(\+?[0-9]{7,})[.,]([0-9]{1,2})")
_TRUNK = re.compile(r"(?:\+|00) ?\(? ?([0-9]{1,3}) ?\)?[ .-]?\( ?([0-9]{1,2}) ?\)[ .-]?")
_BRACKETS = re.compile(r"(\+? ?(?:[0-9][ .-]?){0,6})\( ?(\+? ?[0-9]{1,6}) ?\)[ .-]?")
_AFTER_BRACKETS = 4  # digits at least: fewer are not the rest of a number
_AROUND = re.compile(r" *([-./]) *")
_MISPLACED = re.compile(r"(?:^|[^0-9])[-./]|[-./](?:$|[^0-9])")
_DIALLED = re.compile(r"\+?[0-9]+")
# "0664/1234567" and "+43/664/1234567": before the slash is no number yet, after it is more than an ending.
_AREA_SLASH = re.compile(r"(?:0[1-9][0-9]{0,4}|(?:\+|00)[1-9][0-9]{0,2}/?[0-9]{1,4})/[1-9][0-9]{3,}")
_EXTENSION = re.compile(r"[0-9][\s;,]*(?:x|ext|extn|extension|#)[.:=\s]*[0-9]", re.IGNORECASE)
_SEVERAL = re.compile(r"[0-9)]\s*(?:[;,|/&\n\r\t]|\bor\b|\band\b)\s*[+(0-9]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Notation:
    """
    What a text dials: digits, after "+" if they begin with a country code.

    `is_certain` is False if only a valid number shows that the text is one.
    """

    dialled: str
    is_certain: bool = True


def read_notation(raw: str) -> Notation | NumberFault:
    """Return what a text dials, or why it is not the notation of one phone number."""
    text = _undecorated(visible(raw))
    if not text:
        return NumberFault.EMPTY
    if _SCIENTIFIC.fullmatch(text):
        return NumberFault.SHORTENED
    if decimal := _DECIMAL.fullmatch(text):
        return NumberFault.FRACTION if decimal[2].strip("0") else Notation(decimal[1])
    plain = _without_brackets(text)
    if isinstance(plain, NumberFault):
        return plain
    plain = _AROUND.sub(r"\1", plain)
    if _MISPLACED.search(plain):
        return _fault(text)
    dialled = plain.translate(_SEPARATORS)
    if _DIALLED.fullmatch(dialled):
        return Notation(dialled)
    if _AREA_SLASH.fullmatch(dialled):
        return Notation(dialled.replace("/", ""), is_certain=False)
    return _fault(text)


def visible(raw: str) -> str:
    """
    Return a text without invisible characters and outer blanks, in ASCII where it has an equal.

    Decimal digits of every script become ASCII digits, and typographic dashes,
    blanks and full-width punctuation what they stand for.
    """
    return raw.strip() if raw.isascii() else "".join(map(_ascii, raw)).strip()


_SEPARATORS = str.maketrans("", "", " -.")
_SQUARE = str.maketrans("[]", "()")


@lru_cache(maxsize=4096)
def _ascii(character: str) -> str:
    """Return the ASCII equal of a character, "" if it is invisible, itself if it has none."""
    category = unicodedata.category(character)
    if category == "Cf" or character in _INVISIBLE:
        return ""
    if (digit := unicodedata.decimal(character, None)) is not None:
        return str(digit)
    if category == "Zs":
        return " "
    if category == "Pd" or character in _LOOKALIKES:
        return _LOOKALIKES.get(character, "-")
    if category[0] in "PS":  # not for numbers: the compatible form of a superscript is a digit
        compatible = unicodedata.normalize("NFKC", character)
        compatible = _LOOKALIKES.get(compatible, compatible)
        return compatible if compatible in _PUNCTUATION else character
    return character


def _undecorated(text: str) -> str:
    """Return a text without "=", quotes and scheme before (and around) the number."""
    while True:
        if text.startswith("="):
            inner = text[1:]
        elif quoted := _QUOTED.fullmatch(text):
            inner = quoted[1] or quoted[2] or ""
        elif scheme := _SCHEME.match(text):
            inner = text[scheme.end() :]
        else:
            return text
        text = inner.strip()


def _without_brackets(text: str) -> str | NumberFault:
    """Return a text without brackets around the country code, the trunk prefix and the area code."""
    text = text.translate(_SQUARE)
    if (trunk := _TRUNK.match(text)) and (prefix := trunk_prefix(int(trunk[1]))) is not None:
        if trunk[2] == prefix:
            text = f"+{trunk[1]} {text[trunk.end() :]}"
        elif trunk[2] == "0":
            return NumberFault.TRUNK_ZERO
    while brackets := _BRACKETS.match(text):
        rest = text[brackets.end() :]
        if sum(map(str.isdigit, rest)) < _AFTER_BRACKETS:
            return _fault(text)
        text = brackets[1] + brackets[2] + rest
    return text


def trunk_prefix(calling_code: int) -> str | None:
    """Return what is dialled before national numbers, "" if nothing; None for an unknown calling code."""
    regions = COUNTRY_CODE_TO_REGION_CODE.get(calling_code)
    if regions is None:
        return None
    metadata = PhoneMetadata.metadata_for_region(regions[0], None)
    return (metadata.national_prefix or "") if metadata else ""


def _fault(text: str) -> NumberFault:
    if _EXTENSION.search(text):
        return NumberFault.EXTENSION
    return NumberFault.SEVERAL if _SEVERAL.search(text) else NumberFault.NOT_DIGITS
