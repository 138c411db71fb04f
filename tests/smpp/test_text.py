"""Texts as octets: alphabets, parts, and texts of other encoders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.messages.encoding import InvalidText, measure
from dispatcher.smpp.constants import DataCoding, EsmClass, Tag
from dispatcher.smpp.pdu import Address, Sm
from dispatcher.smpp.text import PartInfo, TextPart, add_part_headers, decode_text, encode_text, read_text

NOBODY = Address(0, 0, "")
sendable = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=500)
gsm = st.text(st.sampled_from("abc @£Δñ\n[]{}€~"), max_size=500)


def a_message(text: bytes = b"", *, esm_class: int = 0, data_coding: int = 0, **tlvs: bytes) -> Sm:
    return Sm(
        NOBODY,
        NOBODY,
        text=text,
        esm_class=esm_class,
        data_coding=data_coding,
        tlvs={Tag[name.upper()]: value for name, value in tlvs.items()},
    )


@given(st.one_of(sendable, gsm))
def test_a_text_is_split_into_its_charged_parts_and_read_back(text: str) -> None:
    made = encode_text(text)
    assert len(made.parts) == max(1, measure(text).segments)
    assert "".join(decode_text(part, made.data_coding) for part in made.parts) == text


@given(st.one_of(sendable.map("я".__add__), gsm).map(lambda text: text + "a" * 161))
def test_each_part_fits_one_segment_and_has_its_number(text: str) -> None:
    made = encode_text(text)
    parts = add_part_headers(made.parts, reference=0x1FE)
    assert all(len(part) <= (160 if made.data_coding == DataCoding.DEFAULT else 140) for part in parts)
    pieces = [read_text(a_message(p, esm_class=EsmClass.UDH, data_coding=made.data_coding)) for p in parts]
    assert "".join(piece.text for piece in pieces) == text
    assert [piece.part_info for piece in pieces] == [
        PartInfo(0xFE, len(parts), number) for number, _ in enumerate(parts, 1)
    ]


@pytest.mark.parametrize(
    ("text", "data_coding", "parts"),
    [
        ("cost: £5 @ home", DataCoding.LATIN1, 1),
        ("a" * 161, DataCoding.LATIN1, 2),
        ("5 €", DataCoding.UCS2, 1),
        ("€" + "a" * 70, DataCoding.UCS2, 2),
        ("я", DataCoding.UCS2, 1),
    ],
)
def test_an_smsc_without_gsm_gets_latin1_or_else_ucs2(text: str, data_coding: int, parts: int) -> None:
    made = encode_text(text, latin1=True)
    assert (made.data_coding, len(made.parts)) == (data_coding, parts)
    assert "".join(decode_text(part, data_coding) for part in made.parts) == text


def test_more_parts_than_a_header_can_count_are_refused() -> None:
    with pytest.raises(ValueError, match="256"):
        add_part_headers((b"x",) * 256, reference=1)


def test_a_text_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(InvalidText):
        encode_text("\ud800")


@pytest.mark.parametrize(
    ("data_coding", "octets", "text"),
    [
        (DataCoding.DEFAULT, b"\x00\x1b\x65\x10", "@€Δ"),
        (DataCoding.DEFAULT, b"\x1b\x41\x1b", "A"),  # no such extension: as in the basic table
        (DataCoding.DEFAULT, b"\xe9", "\N{REPLACEMENT CHARACTER}"),
        (DataCoding.ASCII, b"@$", "@$"),
        (DataCoding.LATIN1, b"caf\xe9", "café"),
        (DataCoding.UCS2, "😀я".encode("utf-16-be"), "😀я"),
        (DataCoding.UCS2, b"\x04", "\N{REPLACEMENT CHARACTER}"),
        (0xF0, b"\x00", "@"),
    ],
)
def test_octets_are_read_by_their_alphabet(data_coding: int, octets: bytes, text: str) -> None:
    assert decode_text(octets, data_coding) == text


def test_a_reference_of_sixteen_bits_joins_as_one_of_eight_does() -> None:
    header = bytes([6, 0x08, 4, 0x12, 0x34, 3, 2])
    assert read_text(a_message(header + b"hi", esm_class=EsmClass.UDH)) == TextPart(
        "hi", PartInfo(0x1234, 3, 2)
    )


def test_a_part_header_may_have_other_elements_first() -> None:
    header = bytes([11, 0x05, 4, 0, 1, 0, 2, 0x00, 3, 9, 2, 1])
    assert read_text(a_message(header + b"hi", esm_class=EsmClass.UDH)) == TextPart("hi", PartInfo(9, 2, 1))


def test_parts_may_be_joined_by_optional_parameters() -> None:
    sm = a_message(b"hi", sar_msg_ref_num=b"\1\2", sar_total_segments=b"\3", sar_segment_seqnum=b"\1")
    assert read_text(sm) == TextPart("hi", PartInfo(0x102, 3, 1))


@pytest.mark.parametrize(
    "numbers", [b"\2\0", b"\2\3", b"\0\0", b"\1\1"], ids=["0 of 2", "3 of 2", "none", "one"]
)
def test_invalid_part_numbers_leave_the_part_alone(numbers: bytes) -> None:
    header = bytes([5, 0, 3, 7]) + numbers
    assert read_text(a_message(header + b"hi", esm_class=EsmClass.UDH)).part_info is None


@given(st.binary(max_size=20))
def test_any_header_of_a_part_can_be_read(octets: bytes) -> None:
    read_text(a_message(octets, esm_class=EsmClass.UDH))


def test_a_long_text_is_read_from_its_optional_parameter() -> None:
    assert read_text(a_message(message_payload=b"long")) == TextPart("long", None)
