"""The reader accepts any delivery of an SMSC."""

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.delivery.inbound_part import InboundPart
from dispatcher.domain.delivery.provider import Inbound, ReceiptReport
from dispatcher.providers.smpp.deliveries import STATES, DeliveryReader, LeftOut
from dispatcher.providers.smpp.ids import IdNormalizer
from dispatcher.providers.smpp.options import read_options
from dispatcher.smpp.constants import MessageState, Tag
from dispatcher.smpp.pdu import Address, Sm

READER = DeliveryReader(
    read_options("p", {"host": "h", "system_id": "u", "password": "p"}), IdNormalizer("as-is")
)

octet = st.integers(0, 255)
address = st.builds(Address, octet, octet, st.text(st.characters(max_codepoint=255), max_size=20))
words = st.sampled_from([b"id:", b" stat:", b"DELIVRD", b"err:", b"text:", b"\x05\0\3", b" ", b"12", b"\xff"])
texts = st.one_of(st.binary(max_size=60), st.lists(words, max_size=12).map(b"".join))
tags = st.dictionaries(st.sampled_from(list(Tag)), st.binary(max_size=9))
messages = st.builds(Sm, address, address, text=texts, data_coding=octet, esm_class=octet, tlvs=tags)


@given(messages)
def test_anything_delivered_is_a_report_a_message_a_part_or_left_out(sm: Sm) -> None:
    reported = READER.read(sm)
    assert isinstance(reported, ReceiptReport | Inbound | InboundPart | LeftOut)
    if isinstance(reported, ReceiptReport):
        assert reported.ref


def test_every_state_has_its_end() -> None:
    assert set(STATES) == set(MessageState)
    assert all(end is None or end.is_final for end in STATES.values())
