"""
Texts as octets, in an alphabet and in parts, and back.

Sources: SMPP v3.4, issue 1.2, data_coding 5.2.19; 3GPP TS 23.040, 9.2.3.24 for the
concatenation header; 3GPP TS 23.038 for the alphabets.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from dispatcher.domain.messages.encoding import InvalidText, from_gsm7, split, to_gsm7
from dispatcher.smpp.constants import DataCoding, EsmClass, Tag
from dispatcher.smpp.pdu import Sm

_CONCAT_8, _CONCAT_16 = 0x00, 0x08
_MAX_PARTS: Final = 255
_DECODERS: Mapping[int, str] = {
    DataCoding.ASCII: "ascii",
    DataCoding.LATIN1: "latin-1",
    DataCoding.UCS2: "utf-16-be",
}


class EncodedText(NamedTuple):
    """A text as octets: their data_coding, and the octets of each part."""

    data_coding: int
    parts: tuple[bytes, ...]


class PartInfo(NamedTuple):
    """The place of a part in its message; `number` counts from 1."""

    reference: int
    total: int
    number: int


class TextPart(NamedTuple):
    """The text of one PDU; `part_info` is None for a whole message."""

    text: str
    part_info: PartInfo | None


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
    head = bytes([5, _CONCAT_8, 3, reference % 256, len(parts)])
    return tuple([head + bytes([number]) + part for number, part in enumerate(parts, 1)])


def read_text(sm: Sm) -> TextPart:
    """Return the text from short_message or message_payload, with U+FFFD for what cannot be decoded."""
    octets = sm.text or sm.tlvs.get(Tag.MESSAGE_PAYLOAD, b"")
    part_info = _part_info_of_tlvs(sm.tlvs)
    if sm.esm_class & EsmClass.UDH and octets:
        header, octets = octets[1 : 1 + octets[0]], octets[1 + octets[0] :]
        part_info = _part_info_of_header(header) or part_info
    return TextPart(decode_text(octets, sm.data_coding), part_info)


def decode_text(octets: bytes, data_coding: int) -> str:
    """Return octets as text; an unknown alphabet is read as the default one."""
    codec = _DECODERS.get(data_coding)
    return octets.decode(codec, "replace") if codec else from_gsm7(octets)


def _ucs2(pieces: Sequence[str]) -> EncodedText:
    return EncodedText(DataCoding.UCS2, tuple([piece.encode("utf-16-be") for piece in pieces]))


def _part_info_of_tlvs(tlvs: Mapping[int, bytes]) -> PartInfo | None:
    found = [tlvs.get(tag) for tag in (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)]
    return _part_info(*[int.from_bytes(value or b"\0", "big") for value in found])


def _part_info_of_header(header: bytes) -> PartInfo | None:
    at = 0
    while at + 2 <= len(header):
        element, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        if (element, len(value)) in ((_CONCAT_8, 3), (_CONCAT_16, 4)):
            return _part_info(int.from_bytes(value[:-2], "big"), value[-2], value[-1])
        at += 2 + length
    return None


def _part_info(reference: int, total: int, number: int) -> PartInfo | None:
    """Return the part's place; None if a number is out of range: it stands alone (23.040, 9.2.3.24.1)."""
    return PartInfo(reference, total, number) if total > 1 and 1 <= number <= total else None
