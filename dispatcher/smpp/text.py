"""
Texts as octets, in an alphabet and in parts, and back.

Sources: SMPP v3.4, issue 1.2, data_coding 5.2.19; 3GPP TS 23.040, 9.2.3.24 for the
user data header; 3GPP TS 23.038 for the alphabets, 4 for the groups of data codings.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from dispatcher.domain.messages.alphabets import GSM7, UTF16, decode_text, gsm7_alphabet
from dispatcher.domain.messages.encoding import InvalidText, split, to_gsm7
from dispatcher.smpp.constants import DataCoding, EsmClass, HeaderElement, Tag
from dispatcher.smpp.pdu import Sm

_MAX_PARTS: Final = 255
_ALPHABETS: Final[Mapping[int, str | None]] = {
    DataCoding.ASCII: "ascii",
    DataCoding.OCTETS: None,
    DataCoding.LATIN1: "latin-1",
    DataCoding.OCTETS_TOO: None,
    DataCoding.JIS: "shift_jis",
    DataCoding.CYRILLIC: "iso8859-5",
    DataCoding.HEBREW: "iso8859-8",
    DataCoding.UCS2: UTF16,
    DataCoding.PICTOGRAMS: None,  # no standard says which octets are which pictures
    DataCoding.ISO_2022_JP: "iso2022_jp",
    DataCoding.EXTENDED_KANJI: "euc_jp",
    DataCoding.KOREAN: "cp949",  # KS C 5601, and what Windows adds to it
}
"""The alphabets that SMPP names; None is data. A coding that is not here is one of GSM's."""

_FOR_PROGRAMS: Final = frozenset(
    {HeaderElement.PORTS_8, HeaderElement.PORTS_16, HeaderElement.WIRELESS_CONTROL, *range(0x70, 0x80)}
)
"""Elements that address a program: on the handset, or from 0x70 on the SIM."""


class EncodedText(NamedTuple):
    """A text as octets: their data_coding, and the octets of each part."""

    data_coding: int
    parts: tuple[bytes, ...]


class PartInfo(NamedTuple):
    """The place of a part in its message; `number` counts from 1."""

    reference: int
    total: int
    number: int


class Content(NamedTuple):
    """
    The content of one PDU: octets without their header, and their alphabet.

    `alphabet` is None for data, which is no text; else as `decode_text` takes
    it. `part_info` is None for a whole message.
    """

    octets: bytes
    alphabet: str | None
    part_info: PartInfo | None = None

    @property
    def text(self) -> str:
        """The text, with U+FFFD for what cannot be decoded; empty for data."""
        return "" if self.alphabet is None else decode_text(self.octets, self.alphabet)


def encode_text(text: str, *, latin1: bool = False) -> EncodedText:
    """
    Return the octets of a text, without headers, in the same parts that are counted and charged.

    `latin1` is for an SMSC that converts Latin-1 to GSM 03.38 itself. A text
    with a character that only GSM 03.38 has is then sent as UCS-2, and may need
    more parts than were counted. Raises InvalidText for a text that cannot be
    sent.
    """
    pieces = split(text) or ("",)
    try:
        septets = tuple([to_gsm7(piece) for piece in pieces])
    except InvalidText:
        return _ucs2(pieces)
    if not latin1:
        return EncodedText(DataCoding.DEFAULT, septets)
    try:
        return EncodedText(DataCoding.LATIN1, tuple([piece.encode("latin-1") for piece in pieces]))
    except UnicodeEncodeError:
        return _ucs2(split(text, as_ucs2=True))


def add_part_headers(parts: tuple[bytes, ...], *, reference: int) -> tuple[bytes, ...]:
    """Return the parts with the headers by which a phone joins them; `reference` counts modulo 256."""
    if len(parts) > _MAX_PARTS:
        raise ValueError(f"a message has at most {_MAX_PARTS} parts, but this one has {len(parts)}")
    head = bytes([5, HeaderElement.CONCAT_8, 3, reference % 256, len(parts)])
    return tuple([head + bytes([number]) + part for number, part in enumerate(parts, 1)])


def read_content(sm: Sm, *, default_alphabet: str = GSM7) -> Content:
    """
    Return the content of short_message, or else of message_payload.

    What is addressed to a port, to the SIM or to a service centre is data,
    whatever its data_coding says. National language tables in the header apply
    to GSM 03.38 only. `default_alphabet` is that of data_coding 0.
    """
    octets = sm.text or sm.tlvs.get(Tag.MESSAGE_PAYLOAD, b"")
    part_info = _part_info_of_tlvs(sm.tlvs)
    elements: Mapping[int, bytes] = {}
    if sm.esm_class & EsmClass.UDH and octets:
        elements = _header_elements(octets[1 : 1 + octets[0]])
        octets = octets[1 + octets[0] :]
        part_info = _part_info_of_header(elements) or part_info
    if _is_addressed_to_a_program(sm, elements):
        return Content(octets, None, part_info)
    return Content(octets, _alphabet(sm.data_coding, elements, default_alphabet), part_info)


def alphabet_of(data_coding: int) -> str | None:
    """
    Return the alphabet of a data_coding other than 0; None for data.

    Above SMPP's own codings are those of GSM: a reserved one is the default
    alphabet, and compressed text is data, because nobody can show it.
    """
    if data_coding in _ALPHABETS:
        return _ALPHABETS[data_coding]
    group = data_coding >> 4
    if group < 0x8:  # general, and the same for messages that are to be deleted
        is_compressed, alphabet = data_coding & 0x20, data_coding >> 2 & 3
        return None if is_compressed else (GSM7, None, UTF16, GSM7)[alphabet]
    if group == 0xE:  # a message waits, in UCS-2
        return UTF16
    return None if group == 0xF and data_coding & 4 else GSM7


def _alphabet(data_coding: int, elements: Mapping[int, bytes], default_alphabet: str) -> str | None:
    alphabet = default_alphabet if data_coding == DataCoding.DEFAULT else alphabet_of(data_coding)
    single, locking = (
        elements.get(e, b"") for e in (HeaderElement.SINGLE_SHIFT, HeaderElement.LOCKING_SHIFT)
    )
    has_tables = len(single) == 1 or len(locking) == 1
    if has_tables and (alphabet == GSM7 or data_coding == DataCoding.DEFAULT):
        return gsm7_alphabet(locking=int.from_bytes(locking), single=int.from_bytes(single))
    return alphabet


def _is_addressed_to_a_program(sm: Sm, elements: Mapping[int, bytes]) -> bool:
    return any(element in _FOR_PROGRAMS for element in elements) or any(
        sm.tlvs.get(Tag.DESTINATION_PORT, b"")
    )


def _ucs2(pieces: Sequence[str]) -> EncodedText:
    return EncodedText(DataCoding.UCS2, tuple([piece.encode("utf-16-be") for piece in pieces]))


def _part_info_of_tlvs(tlvs: Mapping[int, bytes]) -> PartInfo | None:
    found = [tlvs.get(tag) for tag in (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)]
    return _part_info(*[int.from_bytes(value or b"\0", "big") for value in found])


def _header_elements(header: bytes) -> Mapping[int, bytes]:
    """Return the elements of a user data header; of several of a kind the last counts (9.2.3.24)."""
    elements: dict[int, bytes] = {}
    at = 0
    while at + 2 <= len(header):
        length = header[at + 1]
        elements.pop(header[at], None)
        elements[header[at]] = header[at + 2 : at + 2 + length]
        at += 2 + length
    return elements


def _part_info_of_header(elements: Mapping[int, bytes]) -> PartInfo | None:
    found = None
    for element, value in elements.items():
        if (element, len(value)) in ((HeaderElement.CONCAT_8, 3), (HeaderElement.CONCAT_16, 4)):
            found = _part_info(int.from_bytes(value[:-2]), value[-2], value[-1]) or found
    return found


def _part_info(reference: int, total: int, number: int) -> PartInfo | None:
    """Return the part's place; None if a number is out of range: it stands alone (23.040, 9.2.3.24.1)."""
    return PartInfo(reference, total, number) if 1 < total <= _MAX_PARTS and 1 <= number <= total else None
