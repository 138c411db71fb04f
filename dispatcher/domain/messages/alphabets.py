"""
The alphabets of incoming texts by name, and the text of octets in an alphabet.

A name is stored with the octets of a part, so that any process can read them
once the parts are joined. It is `gsm7`, `gsm7-LOCKING-SINGLE` with the
identifiers of two national language tables, or the name of a codec of Python.
"""

import codecs
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from dispatcher.domain.messages.encoding import BASIC, EXTENSION
from dispatcher.domain.messages.national_tables import LOCKING, SINGLE, Language

GSM7: Final = "gsm7"
UTF16: Final = "utf-16-be"

_ESCAPE: Final = 0x1B
_UNKNOWN: Final = "\N{REPLACEMENT CHARACTER}"
_BASIC: Final[Mapping[int, str]] = dict(enumerate(BASIC))
_EXTENSION: Final[Mapping[int, str]] = {septet: char for char, septet in EXTENSION.items()}


def gsm7_alphabet(*, locking: int = 0, single: int = 0) -> str:
    """
    Return the name of GSM 03.38 with these national tables.

    A table that does not exist is the default one, as on a phone that does not
    know it (3GPP TS 23.040, 9.2.3.24.15 and 9.2.3.24.16).
    """
    locking, single = locking if locking in LOCKING else 0, single if single in SINGLE else 0
    return f"{GSM7}-{locking}-{single}" if locking or single else GSM7


def text_octets(text: str) -> bytes:
    """Return a text as octets of UTF16; half of a surrogate pair stays: the next part has the other."""
    return text.encode(UTF16, "surrogatepass")


def decode_text(octets: bytes, alphabet: str) -> str:
    """Return octets as text, with U+FFFD for what the alphabet does not have."""
    if alphabet.startswith(GSM7):
        locking, single = _tables(alphabet)
        return _from_septets(octets, locking, single)
    if alphabet == UTF16 and octets.startswith(codecs.BOM_UTF16_LE):
        return octets[2:].decode("utf-16-le", "replace")
    text = octets.decode(alphabet, "replace")
    return text.removeprefix("\ufeff") if alphabet == UTF16 else text


def _from_septets(septets: bytes, basic: Mapping[int, str], extension: Mapping[int, str]) -> str:
    """
    Return the text of unpacked septets.

    A septet after an escape that the extension table lacks is read by the basic
    table (3GPP TS 23.038, 6.2.1). An octet that is not a septet becomes U+FFFD.
    """
    characters = []
    rest = iter(septets)
    for septet in rest:
        if septet != _ESCAPE:
            characters.append(basic.get(septet, _UNKNOWN))
        elif (escaped := next(rest, None)) == _ESCAPE:
            characters.append(" ")  # the escape to a further table, which does not exist
        elif escaped is not None:
            characters.append(extension.get(escaped) or basic.get(escaped, _UNKNOWN))
    return "".join(characters)


@lru_cache(maxsize=256)
def _tables(alphabet: str) -> tuple[Mapping[int, str], Mapping[int, str]]:
    _, *identifiers = alphabet.split("-")
    locking, single = map(int, identifiers or (0, 0))
    basic = _table(LOCKING[Language(locking)]) if locking else _BASIC
    return basic, _table(SINGLE[Language(single)]) if single else _EXTENSION


def _table(runs: tuple[tuple[int, str], ...]) -> dict[int, str]:
    return {start + offset: char for start, chars in runs for offset, char in enumerate(chars)}
