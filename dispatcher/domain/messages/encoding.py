"""
How a text becomes segments: GSM 03.38 where every character allows it, else UCS-2.

Segments are what credits pay for and what a provider's rate counts, so the
number counted here is the number of parts that `split` makes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_ESCAPE = "\x1b"

# 3GPP TS 23.038, 6.2.1: the place of a character is its septet; 0x1B is the escape to the extension table.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# 6.2.1.1: after an escape.
_EXTENSION = {
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
    {char: chr(code) for code, char in enumerate(_BASIC) if char != _ESCAPE}
    | {char: _ESCAPE + chr(code) for char, code in _EXTENSION.items()}
)
_CHARS = {code: _BASIC[code] if code < len(_BASIC) else "\N{REPLACEMENT CHARACTER}" for code in range(256)}
_AFTER_ESCAPE = {chr(code): char for char, code in _EXTENSION.items()}
_EXTENDED = re.compile(f"[{re.escape(''.join(_EXTENSION))}]")
_GSM7_TEXT = re.compile(f"[{re.escape(''.join(map(chr, _SEPTETS)))}]*")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")


class Encoding(StrEnum):
    """What one unit of a text is, on the air."""

    GSM7 = "gsm7"  # a septet; characters of the extension table take two
    UCS2 = "ucs2"  # a UTF-16 code unit; characters above U+FFFF take two

    @property
    def single(self) -> int:
        """How many units fit where one part is enough."""
        return 160 if self is Encoding.GSM7 else 70

    @property
    def part(self) -> int:
        """How many units fit in each of several parts, beside the header that joins them."""
        return 153 if self is Encoding.GSM7 else 67


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a text costs. `units` are septets or code units, without the padding before a moved pair."""

    encoding: Encoding
    units: int
    segments: int


class InvalidText(ValueError):
    """No phone can be sent this: the character at `position` is half a surrogate pair, or NUL."""

    def __init__(self, text: str, position: int) -> None:
        self.position = position
        super().__init__(f"character {position + 1} of the text, U+{ord(text[position]):04X}, cannot be sent")


def measure(text: str) -> Encoded:
    """
    Choose the encoding and count units and segments; an empty text has none.

    Raises InvalidText for a lone surrogate and for NUL, which Postgres would
    refuse.
    """
    encoding, wide = _classify(text)
    units = len(text) + len(wide.findall(text))
    if units <= encoding.single:
        return Encoded(encoding, units, min(units, 1))
    return Encoded(encoding, units, len(_starts(text, wide, encoding.part)))


def split(text: str, *, as_ucs2: bool = False) -> tuple[str, ...]:
    """
    Cut a text into the parts it is sent in.

    A character of two units that does not fit at the end of a part goes whole
    to the next. `as_ucs2` is for who cannot send GSM 03.38. Raises InvalidText
    as `encode_plan` does.
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
    """Give the septets, one to a byte and unpacked; raise InvalidText at the first that GSM 03.38 lacks."""
    fitting = _GSM7_TEXT.match(text)
    end = fitting.end() if fitting else 0
    if end < len(text):
        raise InvalidText(text, end)
    return text.translate(_SEPTETS).encode("latin-1")


def from_gsm7(septets: bytes) -> str:
    """
    Read what `to_gsm7` writes.

    As a phone does (6.2.1): after an escape, a septet that the extension
    table lacks is read in the basic one. What is no septet becomes U+FFFD.
    """
    first, *escaped = septets.decode("latin-1").split(_ESCAPE)
    return first.translate(_CHARS) + "".join(
        (_AFTER_ESCAPE.get(piece[:1]) or piece[:1].translate(_CHARS)) + piece[1:].translate(_CHARS)
        for piece in escaped
    )


def _classify(text: str) -> tuple[Encoding, re.Pattern[str]]:
    """Give the encoding, and what matches its characters of two units."""
    if _GSM7_TEXT.fullmatch(text):
        return Encoding.GSM7, _EXTENDED
    if unsendable := _UNSENDABLE.search(text):
        raise InvalidText(text, unsendable.start())
    return Encoding.UCS2, _ASTRAL


def _starts(text: str, wide: re.Pattern[str], size: int) -> Sequence[int]:
    """Give where each part begins, when a part holds `size` units."""
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
