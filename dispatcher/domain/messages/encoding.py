"""
The encoding of a text, and its segments: GSM 03.38 if it has every character, else UCS-2.

Credits pay for segments and a provider's rate counts them, so the number
counted here is the number of parts that `split` returns.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_ESCAPE = "\x1b"

# 3GPP TS 23.038, 6.2.1: the position of a character is its septet; 0x1B is the escape to the extension table.
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# 6.2.1.1: after an escape.
EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
_SEPTETS = str.maketrans(
    {char: chr(code) for code, char in enumerate(BASIC) if char != _ESCAPE}
    | {char: _ESCAPE + chr(code) for char, code in EXTENSION.items()}
)
_EXTENDED = re.compile(f"[{re.escape(''.join(EXTENSION))}]")
_GSM7_TEXT = re.compile(f"[{re.escape(''.join(map(chr, _SEPTETS)))}]*")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")


class Encoding(StrEnum):
    """The encoding of a text, which defines its units."""

    GSM7 = "gsm7"  # a septet; characters of the extension table take two
    UCS2 = "ucs2"  # a UTF-16 code unit; characters above U+FFFF take two

    @property
    def single(self) -> int:
        """How many units fit into a message of one part."""
        return 160 if self is Encoding.GSM7 else 70

    @property
    def part(self) -> int:
        """How many units fit into each of several parts, beside the header that joins them."""
        return 153 if self is Encoding.GSM7 else 67


@dataclass(frozen=True, slots=True)
class Encoded:
    """The size of a text. `units` are septets or code units, without padding at the end of parts."""

    encoding: Encoding
    units: int
    segments: int


class InvalidText(ValueError):
    """A text that cannot be sent: the character at `position` is half a surrogate pair, or NUL."""

    def __init__(self, text: str, position: int) -> None:
        self.position = position
        super().__init__(f"character {position + 1} of the text, U+{ord(text[position]):04X}, cannot be sent")


def measure(text: str) -> Encoded:
    """
    Return the encoding of a text and its size in units and segments; an empty text has none.

    Raises InvalidText for a lone surrogate, and for NUL, which Postgres does
    not store.
    """
    encoding, wide = _classify(text)
    units = len(text) + len(wide.findall(text))
    if units <= encoding.single:
        return Encoded(encoding, units, min(units, 1))
    return Encoded(encoding, units, len(_starts(text, wide, encoding.part)))


def split(text: str, *, as_ucs2: bool = False) -> tuple[str, ...]:
    """
    Return the parts in which a text is sent.

    A character of two units that does not fit at the end of a part moves to
    the next one. `as_ucs2` is for connections that cannot send GSM 03.38.
    Raises InvalidText as `measure` does.
    """
    encoding, wide = _classify(text)
    if as_ucs2:
        encoding, wide = Encoding.UCS2, _ASTRAL
    if not text:
        return ()
    if len(text) + len(wide.findall(text)) <= encoding.single:
        return (text,)
    starts = _starts(text, wide, encoding.part)
    return tuple(text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True))


def to_gsm7(text: str) -> bytes:
    """Return the septets, one to a byte. Raises InvalidText for a character that GSM 03.38 lacks."""
    fitting = _GSM7_TEXT.match(text)
    end = fitting.end() if fitting else 0
    if end < len(text):
        raise InvalidText(text, end)
    return text.translate(_SEPTETS).encode("latin-1")


def _classify(text: str) -> tuple[Encoding, re.Pattern[str]]:
    """Return the encoding, and the pattern that matches its characters of two units."""
    if _GSM7_TEXT.fullmatch(text):
        return Encoding.GSM7, _EXTENDED
    if unsendable := _UNSENDABLE.search(text):
        raise InvalidText(text, unsendable.start())
    return Encoding.UCS2, _ASTRAL


def _starts(text: str, wide: re.Pattern[str], size: int) -> Sequence[int]:
    """Return the index at which each part begins, if a part holds `size` units."""
    if not wide.search(text):
        return range(0, len(text), size)
    starts = [0]
    used = 0
    for position, char in enumerate(text):
        width = 2 if wide.match(char) else 1
        if used + width > size:
            starts.append(position)
            used = 0
        used += width
    return starts
