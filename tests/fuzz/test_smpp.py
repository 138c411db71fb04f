"""SMPP: streams of PDUs, the texts of receipts, user data headers."""

from contextlib import suppress

from hypothesis import strategies as st

from dispatcher.domain.delivery.inbound_part import InboundPart
from dispatcher.domain.delivery.provider import Inbound, ReceiptReport
from dispatcher.providers.smpp.deliveries import DeliveryReader, LeftOut
from dispatcher.providers.smpp.ids import IdNormalizer
from dispatcher.providers.smpp.options import read_options
from dispatcher.smpp.constants import Command, DataCoding, Tag
from dispatcher.smpp.pdu import Address, BadPdu, Bind, Pdu, Sm, Splitter, encode
from dispatcher.smpp.receipt import read_receipt
from dispatcher.smpp.text import alphabet_of, read_content
from tests.fuzz.examples import changed_octets, fuzz

READER = DeliveryReader(
    read_options("p", {"host": "h", "system_id": "u", "password": "p"}), IdNormalizer("as-is")
)
WORDS = (
    *("id:", "sub:", "dlvrd:", "submit date:", "done date:", "stat:", "err:", "Text:"),
    *("DELIVRD", "UNDELIV", "2603011310", "001", "0A1F", "\0", "\xff", ":"),
)
octet = st.integers(0, 255)
addresses = st.builds(Address, octet, octet, st.text("+0123456789ACME\xff", max_size=21))
receipts = st.lists(
    st.sampled_from(WORDS),
    max_size=16,
).map(lambda words: " ".join(words).encode("latin-1"))
headers = st.builds(
    lambda declared, elements, text: bytes([declared]) + elements + text,
    octet,
    st.lists(
        st.builds(lambda tag, size, value: bytes([tag, size]) + value, octet, octet, st.binary(max_size=6)),
        max_size=3,
    ).map(b"".join),
    st.binary(max_size=30),
)
values = receipts | st.binary(max_size=9)
deliveries = st.builds(
    Sm,
    addresses,
    addresses,
    text=(receipts | headers | st.binary(max_size=160)),
    data_coding=st.sampled_from(list(DataCoding)) | octet,
    esm_class=st.sampled_from([0, 4, 8, 0x20, 0x40, 0x44, 0x60]) | octet,
    tlvs=st.dictionaries(st.sampled_from(list(Tag)) | st.integers(0, 0xFFFF), values, max_size=4),
)


def _encoded(sm: Sm) -> bytes:
    """Return a PDU, without a delivery if that cannot be written."""
    try:
        body = sm.encode()
    except BadPdu:
        body = b""
    return encode(Command.DELIVER_SM, sequence=1, body=body)


@fuzz(changed_octets(st.lists(deliveries.map(_encoded), max_size=3).map(b"".join)), st.integers(1, 40))
def test_any_stream_is_pdus_or_refused(raw: bytes, size: int) -> None:
    splitter = Splitter()
    with suppress(BadPdu):
        for at in range(0, len(raw), size):
            for pdu in splitter.feed(raw[at : at + size]):
                _read_all(pdu)


def _read_all(pdu: Pdu) -> None:
    for decode in (Sm.decode, Sm.decode_data):
        with suppress(BadPdu):
            _is_delivery(decode(pdu.body))
    with suppress(BadPdu):
        Bind.decode(pdu.body)


@fuzz(deliveries)
def test_any_delivery_is_a_report_a_message_a_part_or_left_out(sm: Sm) -> None:
    _is_delivery(sm)


def _is_delivery(sm: Sm) -> None:
    assert isinstance(READER.read(sm), ReceiptReport | Inbound | InboundPart | LeftOut)
    read_receipt(sm)
    content = read_content(sm)
    if content.alphabet is not None and content.part_info is None:
        content.text.encode("utf-8", "surrogatepass")
    if content.part_info is not None:
        assert 1 <= content.part_info.number <= content.part_info.total


@fuzz(octet)
def test_any_data_coding_has_an_alphabet_or_none(data_coding: int) -> None:
    alphabet_of(data_coding)
