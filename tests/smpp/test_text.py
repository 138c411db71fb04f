"""Texts as octets: alphabets, parts, and texts of other encoders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.messages.alphabets import decode_text
from dispatcher.domain.messages.encoding import InvalidText, measure
from dispatcher.smpp.constants import DataCoding, EsmClass, HeaderElement, Tag
from dispatcher.smpp.pdu import Address, Sm
from dispatcher.smpp.text import Content, EncodedText, PartInfo, add_part_headers, encode_text, read_content

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


def text_of(made: EncodedText) -> str:
    return "".join(read_content(a_message(part, data_coding=made.data_coding)).text for part in made.parts)


@given(st.one_of(sendable, gsm))
def test_a_text_is_split_into_its_charged_parts_and_read_back(text: str) -> None:
    made = encode_text(text)
    assert len(made.parts) == max(1, measure(text).segments)
    assert text_of(made) == text


@given(st.one_of(sendable.map("я".__add__), gsm).map(lambda text: text + "a" * 161))
def test_each_part_fits_one_segment_and_has_its_number(text: str) -> None:
    made = encode_text(text)
    parts = add_part_headers(made.parts, reference=0x1FE)
    assert all(len(part) <= (160 if made.data_coding == DataCoding.DEFAULT else 140) for part in parts)
    pieces = [read_content(a_message(p, esm_class=EsmClass.UDH, data_coding=made.data_coding)) for p in parts]
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
    assert text_of(made) == text


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
    assert read_content(a_message(octets, data_coding=data_coding)).text == text


def test_a_reference_of_sixteen_bits_joins_as_one_of_eight_does() -> None:
    header = bytes([6, 0x08, 4, 0x12, 0x34, 3, 2])
    assert read_content(a_message(header + b"hi", esm_class=EsmClass.UDH)) == Content(
        b"hi", "gsm7", PartInfo(0x1234, 3, 2)
    )


def test_a_part_header_may_have_other_elements_first() -> None:
    header = bytes([11, 0x0A, 4, 0, 1, 0, 2, 0x00, 3, 9, 2, 1])
    assert read_content(a_message(header + b"hi", esm_class=EsmClass.UDH)) == Content(
        b"hi", "gsm7", PartInfo(9, 2, 1)
    )


def test_optional_parameters_that_count_more_parts_than_there_can_be_leave_the_part_alone() -> None:
    sm = a_message(b"hi", sar_msg_ref_num=b"\1", sar_total_segments=b"\1\0", sar_segment_seqnum=b"\1")
    assert read_content(sm) == Content(b"hi", "gsm7")


def test_parts_may_be_joined_by_optional_parameters() -> None:
    sm = a_message(b"hi", sar_msg_ref_num=b"\1\2", sar_total_segments=b"\3", sar_segment_seqnum=b"\1")
    assert read_content(sm) == Content(b"hi", "gsm7", PartInfo(0x102, 3, 1))


@pytest.mark.parametrize(
    "numbers", [b"\2\0", b"\2\3", b"\0\0", b"\1\1"], ids=["0 of 2", "3 of 2", "none", "one"]
)
def test_invalid_part_numbers_leave_the_part_alone(numbers: bytes) -> None:
    header = bytes([5, 0, 3, 7]) + numbers
    assert read_content(a_message(header + b"hi", esm_class=EsmClass.UDH)).part_info is None


@given(st.binary(max_size=20))
def test_any_header_of_a_part_can_be_read(octets: bytes) -> None:
    read_content(a_message(octets, esm_class=EsmClass.UDH))


def test_a_long_text_is_read_from_its_optional_parameter() -> None:
    assert read_content(a_message(message_payload=b"long")) == Content(b"long", "gsm7")


STOP = "СТОП"


UCS2 = [0x08, *range(0x18, 0x1C), *range(0x48, 0x4C), *range(0x58, 0x5C), 0xE0]


@pytest.mark.parametrize("data_coding", UCS2)
def test_ucs2_is_read_in_every_group_of_codings_that_has_it(data_coding: int) -> None:
    assert read_content(a_message(STOP.encode("utf-16-be"), data_coding=data_coding)).text == STOP


GSM = [0x00, *range(0x10, 0x14), *range(0x40, 0x44), 0xC8, 0xD0, *range(0xF0, 0xF4)]
RESERVED = [0x0C, 0x0F, 0x1C, 0x80, 0xB0, 0xF8]


@pytest.mark.parametrize("data_coding", GSM + RESERVED)
def test_the_default_alphabet_is_read_in_every_group_that_has_it_and_if_reserved(data_coding: int) -> None:
    assert read_content(a_message(b"5 \x1b\x65 \x00", data_coding=data_coding)).text == "5 € @"


@pytest.mark.parametrize(
    ("data_coding", "codec", "text"),
    [
        (0x01, "ascii", "STOP_@[]"),
        (0x03, "latin-1", "café [@]"),
        (0x05, "shift_jis", "停止"),
        (0x06, "iso8859-5", STOP),
        (0x07, "iso8859-8", "הסר"),
        (0x0A, "iso2022_jp", "停止"),
        (0x0D, "euc_jp", "停止"),
        (0x0E, "euc_kr", "중지"),
    ],
)
def test_smpps_own_codings_are_read(data_coding: int, codec: str, text: str) -> None:
    assert read_content(a_message(text.encode(codec), data_coding=data_coding)).text == text


@pytest.mark.parametrize("data_coding", range(256))
def test_every_coding_is_text_or_data(data_coding: int) -> None:
    content = read_content(a_message(b"STOP", data_coding=data_coding))
    assert (content.alphabet is None) == (content.text == "")
    assert content.octets == b"STOP"


COMPRESSED = [*range(0x20, 0x40), *range(0x60, 0x80)]
BINARY = [0x02, 0x04, 0x09, *range(0x14, 0x18), *range(0x44, 0x48), *range(0xF4, 0xF8), *COMPRESSED]


@pytest.mark.parametrize("data_coding", BINARY)
def test_binary_and_compressed_codings_are_no_text(data_coding: int) -> None:
    assert read_content(a_message(b"STOP", data_coding=data_coding)).alphabet is None


PORTS = {
    "8 bits": bytes([4, 0x04, 2, 0xF0, 0xF1]),
    "16 bits": bytes([6, 0x05, 4, 0x0B, 0x84, 0x23, 0xF0]),
    "16 bits in a part": bytes([11, 0x00, 3, 9, 2, 1, 0x05, 4, 0x15, 0x8A, 0, 0]),
    "a SIM": bytes([2, 0x70, 0]),
    "wireless control": bytes([3, 0x09, 1, 0]),
}


@pytest.mark.parametrize("header", PORTS.values(), ids=PORTS)
@pytest.mark.parametrize("data_coding", [0x00, 0x08, 0xF0])
def test_what_is_addressed_to_a_program_is_no_text_in_any_coding(header: bytes, data_coding: int) -> None:
    sm = a_message(header + b"STOP", esm_class=EsmClass.UDH, data_coding=data_coding)
    assert read_content(sm).alphabet is None


def test_a_port_in_an_optional_parameter_makes_it_data_unless_it_is_0() -> None:
    assert read_content(a_message(b"x", destination_port=b"\x0b\x84")).alphabet is None
    assert read_content(a_message(b"x", destination_port=b"\0\0")).text == "x"


@pytest.mark.parametrize(
    ("default", "octets", "text"),
    [
        ("latin1", b"caf\xe9 @_", "café @_"),
        ("ascii", b"@_$", "@_$"),
        ("cp1252", b"5 \x80", "5 €"),
        ("utf8", STOP.encode(), STOP),
    ],
)
def test_the_default_alphabet_is_the_providers(default: str, octets: bytes, text: str) -> None:
    assert read_content(a_message(octets), default_alphabet=default).text == text
    named = a_message(b"\x00", data_coding=0x10)
    assert read_content(named, default_alphabet=default).text == "@"  # GSM 03.38 by its name


def with_tables(octets: bytes, *, single: int | None = None, locking: int | None = None) -> Sm:
    tables = {HeaderElement.SINGLE_SHIFT: single, HeaderElement.LOCKING_SHIFT: locking}
    elements = b"".join(bytes([element, 1, n]) for element, n in tables.items() if n is not None)
    return a_message(bytes([len(elements)]) + elements + octets, esm_class=EsmClass.UDH)


@pytest.mark.parametrize(
    ("octets", "tables", "text"),
    [
        (b"\x1b\x53i\x1b\x73li \x1b\x65", {"single": 1}, "Şişli €"),
        (b"\x1ci\x1dli \x04 \x40stanbul", {"locking": 1}, "Şişli € İstanbul"),
        (b"\x0b\x1b\x49", {"locking": 1, "single": 1}, "Ğİ"),
        (b"\x1b\x41gora \x1b\x65 \x1b\x09", {"single": 2}, "Ágora € ç"),
        (b"\x1b\x7balto, n\x1b\x7bo", {"single": 3}, "ãalto, não"),
        (b"n\x7bo, \x5e", {"locking": 3}, "não, Ü"),
        (b"\x00", {"locking": 2}, "@"),  # Spanish has no locking shift table
        (b"\x1b\x65", {"single": 99}, "€"),  # a language that nobody knows
        (b"\x03\x1b\x1c", {"locking": 6, "single": 6}, "अ०"),
    ],
)
def test_national_tables_of_the_header_are_used(octets: bytes, tables: dict[str, int], text: str) -> None:
    assert read_content(with_tables(octets, **tables)).text == text


def test_national_tables_are_those_of_gsm_even_where_the_default_alphabet_is_another() -> None:
    content = read_content(with_tables(b"\x1b\x73", single=1), default_alphabet="latin1")
    assert content.text == "ş"


def test_of_several_references_in_a_header_the_last_one_counts() -> None:
    header = bytes([10, 0x00, 3, 9, 2, 1, 0x00, 3, 8, 3, 2])
    assert read_content(a_message(header + b"hi", esm_class=EsmClass.UDH)).part_info == PartInfo(8, 3, 2)


def test_a_part_in_message_payload_has_its_header_there() -> None:
    sm = a_message(esm_class=EsmClass.UDH, message_payload=bytes([6, 0x08, 4, 1, 2, 2, 2]) + b"hi")
    assert read_content(sm) == Content(b"hi", "gsm7", PartInfo(0x102, 2, 2))


def test_a_character_that_is_cut_between_two_parts_is_whole_once_they_are_joined() -> None:
    emoji = "ab😀".encode("utf-16-be")
    assert decode_text(emoji[:7] + emoji[7:], "utf-16-be") == "ab😀"
    assert decode_text(b"5 \x1b" + b"\x65", "gsm7") == "5 €"


def test_a_byte_order_mark_is_obeyed_and_not_shown() -> None:
    assert decode_text(b"\xfe\xff\x04\x21", "utf-16-be") == "С"
    assert decode_text(b"\xff\xfe\x21\x04", "utf-16-be") == "С"


def test_an_escape_to_a_table_that_does_not_exist_is_a_blank() -> None:
    assert decode_text(b"a\x1b\x1bb\x1b", "gsm7") == "a b"
