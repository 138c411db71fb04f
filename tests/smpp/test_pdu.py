"""PDUs: the examples of the specification, and any fragmentation of the stream."""

from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.smpp.constants import Command, CommandStatus, EsmClass, Tag, status_name
from dispatcher.smpp.pdu import (
    MAX_PDU_LENGTH,
    Address,
    BadPdu,
    Bind,
    Pdu,
    Sm,
    Splitter,
    decode_id,
    encode,
    encode_id,
    respond,
    write_time,
)
from dispatcher.smpp.tlvs import decode_tlvs, encode_tlvs

ascii_text = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=20)
octet = st.integers(0, 255)
addresses = st.builds(Address, octet, octet, ascii_text)
tlvs = st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=300), max_size=4)
messages = st.builds(
    Sm,
    addresses,
    addresses,
    text=st.binary(max_size=255),
    data_coding=octet,
    esm_class=octet,
    registered_delivery=octet,
    validity_period=ascii_text,
    tlvs=tlvs,
    service_type=ascii_text,
    protocol_id=octet,
    priority=octet,
    schedule=ascii_text,
    replace_if_present=octet,
    unread=st.just(0),
)
pdus = st.builds(
    Pdu,
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=60),
)


def written(pdu: Pdu) -> bytes:
    return encode(pdu.command, sequence=pdu.sequence, status=pdu.status, body=pdu.body)


def test_a_bind_is_written_as_the_specification_prints_it() -> None:
    """SMPP v3.4, issue 1.2, 3.2.3: "sample PDU"."""
    body = Bind("SMPP3TEST", "secret08", "SUBMIT1", 0x00, 0x01, 0x01).encode()
    assert encode(Command.BIND_TRANSMITTER, sequence=1, body=body) == bytes.fromhex(
        "0000002F 00000002 00000000 00000001"
        "53 4D 50 50 33 54 45 53 54 00 73 65 63 72 65 74 30 38 00 53 55 42 4D 49 54 31 00 00 01 01 00"
    )


def test_a_submit_is_written_field_by_field_in_the_order_of_the_specification() -> None:
    body = Sm(
        Address(5, 0, "ACME"),
        Address(1, 1, "254701234567"),
        text=b"hi",
        data_coding=8,
        esm_class=0x40,
        registered_delivery=1,
        validity_period="260301120000000+",
        tlvs={Tag.SAR_TOTAL_SEGMENTS: b"\2"},
    ).encode()
    assert body == (
        b"\0\5\0ACME\0\1\x01254701234567\0\x40\0\0\x00260301120000000+\0\1\0\x08\0\2hi\x02\x0e\0\1\2"
    )


@given(messages)
def test_a_message_is_read_as_it_was_written(sm: Sm) -> None:
    assert Sm.decode(sm.encode()) == sm


@given(messages, st.integers(0, 600))
def test_a_truncated_body_is_refused_and_never_misread(sm: Sm, length: int) -> None:
    whole = Sm(*sm[:7], tlvs={}).encode()
    if length < len(whole):
        with pytest.raises(BadPdu):
            Sm.decode(whole[:length])


@given(st.builds(Bind, ascii_text, ascii_text, ascii_text, octet, octet, octet, ascii_text))
def test_a_bind_is_read_as_it_was_written(bind: Bind) -> None:
    assert Bind.decode(bind.encode()) == bind
    with pytest.raises(BadPdu):
        Bind.decode(bind.encode()[:-1])


@given(st.lists(pdus, max_size=6), st.data())
def test_a_stream_has_the_same_pdus_however_it_is_fragmented(sent: list[Pdu], data: st.DataObject) -> None:
    stream = b"".join(map(written, sent))
    got: list[Pdu] = []
    splitter, at = Splitter(), 0
    while at < len(stream):
        step = data.draw(st.integers(1, len(stream) - at))
        got += splitter.feed(stream[at : at + step])
        at += step
    assert got == sent


@pytest.mark.parametrize("length", [0, 15, MAX_PDU_LENGTH + 1, 0x47455420], ids=str)
def test_a_length_that_no_pdu_has_is_refused_after_the_pdus_before_it(length: int) -> None:
    good = Pdu(Command.ENQUIRE_LINK, 0, 7, b"")
    stream = Splitter().feed(written(good) + length.to_bytes(4, "big"))
    assert next(stream) == good
    with pytest.raises(BadPdu, match=str(length)):
        next(stream)


def test_a_response_has_the_command_and_the_sequence_of_its_request() -> None:
    request = Pdu(Command.DELIVER_SM, 0, 99, b"")
    (answer,) = Splitter().feed(respond(request, status=CommandStatus.ESME_RX_T_APPN, body=encode_id("")))
    assert answer == Pdu(Command.DELIVER_SM_RESP, CommandStatus.ESME_RX_T_APPN, 99, b"\0")


@pytest.mark.parametrize(("body", "message_id"), [(b"a1\0", "a1"), (b"a1", "a1"), (b"\0", ""), (b"", "")])
def test_an_id_may_lack_its_nul_or_be_missing(body: bytes, message_id: str) -> None:
    assert decode_id(body) == message_id


def test_the_last_of_an_optional_parameter_counts() -> None:
    assert decode_tlvs(encode_tlvs({5: b"a"}) + encode_tlvs({5: b"b"}), 0) == ({5: b"b"}, 0)


CUT = pytest.mark.parametrize("octets", [b"\0", b"\0\5\0", b"\0\5\0\2a"], ids=["octet", "head", "value"])


@CUT
def test_an_optional_parameter_that_is_cut_behind_a_text_or_another_is_left_out(octets: bytes) -> None:
    with_text = Sm(Address(1, 1, "1"), Address(1, 1, "2"), text=b"hi")
    assert Sm.decode(with_text.encode() + octets) == with_text._replace(unread=len(octets))
    with_another = with_text._replace(text=b"", tlvs={Tag.RECEIPTED_MESSAGE_ID: b"7\0"})
    assert Sm.decode(with_another.encode() + octets) == with_another._replace(unread=len(octets))


@CUT
def test_an_optional_parameter_that_is_cut_and_alone_is_refused(octets: bytes) -> None:
    with pytest.raises(BadPdu, match="there is nothing else"):
        Sm.decode(Sm(Address(1, 1, "1"), Address(1, 1, "2")).encode() + octets)


def test_a_data_sm_has_its_text_in_an_optional_parameter() -> None:
    sm = Sm(Address(1, 1, "1"), Address(5, 0, "us"), b"hi", 8, EsmClass.RECEIPT, registered_delivery=1)
    read = Sm.decode_data(sm.encode_data())
    assert read == sm._replace(text=b"", tlvs={Tag.MESSAGE_PAYLOAD: b"hi"})


@given(st.binary(max_size=40))
def test_any_octets_are_a_data_sm_or_refused(octets: bytes) -> None:
    with suppress(BadPdu):
        Sm.decode_data(octets)


@pytest.mark.parametrize(
    "wrong",
    [
        Sm(Address(5, 0, "Ünique"), Address(1, 1, "1")),
        Sm(Address(5, 0, "ACME"), Address(1, 1, "1"), text=b"x" * 256),
        Sm(Address(256, 0, "ACME"), Address(1, 1, "1")),
    ],
    ids=["not ASCII", "too long", "no octet"],
)
def test_a_field_that_does_not_fit_is_refused(wrong: Sm) -> None:
    with pytest.raises(BadPdu):
        wrong.encode()


def test_a_time_is_written_in_utc_with_its_tenth_of_a_second() -> None:
    nairobi = timezone(timedelta(hours=3))
    assert write_time(datetime(2026, 3, 1, 2, 4, 5, 678_000, tzinfo=nairobi)) == "260228230405600+"


def test_a_status_has_its_name_or_its_number() -> None:
    assert status_name(0x58) == "ESME_RTHROTTLED"
    assert status_name(0x413) == "0x413"
