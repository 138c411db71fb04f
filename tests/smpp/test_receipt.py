"""Receipts: the optional parameters, the text of appendix B, and its spelling by SMSCs."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from dispatcher.smpp.constants import DataCoding, EsmClass, MessageState, Tag
from dispatcher.smpp.pdu import Address, Sm
from dispatcher.smpp.receipt import SmppReceipt, read_receipt, write_receipt

NOBODY = Address(0, 0, "")
DELIVERED, UNDELIVERABLE = MessageState.DELIVERED, MessageState.UNDELIVERABLE
APPENDIX_B = (
    "id:0123456789 sub:001 dlvrd:001 submit date:2603011200"
    " done date:2603011201 stat:DELIVRD err:000 text:Hello"
)


def a_receipt(
    text: str = "", tlvs: Mapping[int, bytes] | None = None, *, esm_class: int = EsmClass.RECEIPT
) -> Sm:
    return Sm(NOBODY, NOBODY, text=text.encode("latin-1"), esm_class=esm_class, tlvs=tlvs or {})


def test_the_text_of_the_specification_is_read() -> None:
    assert read_receipt(a_receipt(APPENDIX_B)) == SmppReceipt(
        "0123456789", DELIVERED, "DELIVRD", "", is_last=True
    )


@pytest.mark.parametrize(
    "text",
    [
        APPENDIX_B.replace("text:", "Text:"),
        APPENDIX_B.upper().replace("0123456789", "0123456789"),
        APPENDIX_B.replace(":", ": "),
        APPENDIX_B.replace(" sub:", ",sub:").replace(" stat:", ",stat:"),
        APPENDIX_B.replace(" ", "\n").replace("submit\ndate", "submitdate").replace("done\ndate", "donedate"),
        APPENDIX_B.replace("submit date", "submit_date").replace("stat:", "status:").replace("err", "error"),
        APPENDIX_B.replace("2603011201", "260301120159"),
        "id:0123456789 stat:DELIVRD",
        "stat:DELIVRD err:0 id:0123456789",
        "id:0123456789 stat:DELIVRD err: text:",
        "id:0123456789 sub: dlvrd: stat:DELIVRD",
    ],
)
def test_every_spelling_of_a_receipt_is_read_alike(text: str) -> None:
    read = read_receipt(a_receipt(text))
    assert read is not None
    assert (read.id, read.state, read.error) == ("0123456789", DELIVERED, "")


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("ENROUTE", MessageState.ENROUTE),
        ("DELIVRD", MessageState.DELIVERED),
        ("EXPIRED", MessageState.EXPIRED),
        ("DELETED", MessageState.DELETED),
        ("UNDELIV", MessageState.UNDELIVERABLE),
        ("ACCEPTD", MessageState.ACCEPTED),
        ("UNKNOWN", MessageState.UNKNOWN),
        ("REJECTD", MessageState.REJECTED),
        ("Delivered", MessageState.DELIVERED),
        ("FAILED", MessageState.UNDELIVERABLE),
        ("failed", MessageState.UNDELIVERABLE),
        ("SKIPPED", MessageState.SKIPPED),
        ("REJECTED", MessageState.REJECTED),
        ("DELIVERD", MessageState.DELIVERED),
        ("EXPIRD", MessageState.EXPIRED),
        ("CANCELLED", MessageState.DELETED),
        ("SCHEDULED", MessageState.SCHEDULED),
        ("FLUMMOX", None),
        ("", None),
    ],
)
def test_each_word_of_appendix_b_has_its_state(word: str, state: MessageState | None) -> None:
    read = read_receipt(a_receipt(f"id:a-1 stat:{word} err:001"))
    assert read is not None
    assert (read.state, read.word, read.error) == (state, word, "001")


def test_the_optional_parameters_win_over_the_text() -> None:
    tlvs: Mapping[int, bytes] = {
        Tag.RECEIPTED_MESSAGE_ID: b"7f\0",
        Tag.MESSAGE_STATE: b"\5",
        Tag.NETWORK_ERROR_CODE: b"\3\0\x22",
    }
    assert read_receipt(a_receipt("id:9 stat:DELIVRD", tlvs)) == SmppReceipt(
        "7f", UNDELIVERABLE, "DELIVRD", "34", is_last=True
    )
    assert read_receipt(a_receipt("", tlvs)) == SmppReceipt(
        "7f", UNDELIVERABLE, "UNDELIVERABLE", "34", is_last=True
    )


def test_a_state_that_smpp_does_not_define_leaves_the_word() -> None:
    read = read_receipt(a_receipt("id:9 stat:DELIVRD", {Tag.MESSAGE_STATE: b"\x63"}))
    assert read is not None
    assert read.state is DELIVERED


def test_a_handset_cannot_write_a_receipt() -> None:
    assert read_receipt(a_receipt(APPENDIX_B, esm_class=0)) is None


def test_nothing_is_read_from_the_text_of_the_message() -> None:
    read = read_receipt(a_receipt("id:1 text:stat:DELIVRD id:2 err:9"))
    assert read == SmppReceipt("1", None, "", "", is_last=True)


def test_a_receipt_that_names_no_message_is_none() -> None:
    assert read_receipt(a_receipt("stat:DELIVRD")) is None


def test_an_optional_parameter_alone_makes_it_a_receipt() -> None:
    read = read_receipt(
        a_receipt("", {Tag.RECEIPTED_MESSAGE_ID: b"a\0", Tag.MESSAGE_STATE: b"\2"}, esm_class=0)
    )
    assert read == SmppReceipt("a", DELIVERED, "DELIVERED", "", is_last=True)


def test_an_intermediate_notification_is_not_the_last_receipt() -> None:
    read = read_receipt(a_receipt("id:1 stat:ENROUTE", esm_class=EsmClass.INTERMEDIATE))
    assert read is not None
    assert not read.is_last


def test_a_receipt_in_sixteen_bits_is_read_too() -> None:
    sm = Sm(NOBODY, NOBODY, APPENDIX_B.encode("utf-16-be"), DataCoding.UCS2, EsmClass.RECEIPT)
    read = read_receipt(sm)
    assert read is not None
    assert read.id == "0123456789"


@pytest.mark.parametrize("state", MessageState)
def test_a_written_receipt_is_read_back(state: MessageState) -> None:
    moment = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    text = write_receipt("9f3", state, submitted=moment, done=moment, error="017", text="stat: not this")
    read = read_receipt(a_receipt(text))
    assert read is not None
    assert (read.id, read.state, read.error) == ("9f3", state, "017")


@pytest.mark.parametrize("state", MessageState)
def test_every_state_of_the_optional_parameter_is_read(state: MessageState) -> None:
    tlvs: Mapping[int, bytes] = {Tag.RECEIPTED_MESSAGE_ID: b"7\0", Tag.MESSAGE_STATE: bytes([state])}
    read = read_receipt(a_receipt("", tlvs))
    assert read == SmppReceipt("7", state, state.name, "", is_last=True)


@pytest.mark.parametrize("data_coding", [0x00, 0x01, 0x03, 0x04, 0xF1, 0xF4])
def test_a_receipts_text_is_read_as_ascii_whatever_its_coding_says(data_coding: int) -> None:
    sm = a_receipt("id:Msg_7@a stat:DELIVRD err:000 text:\0")._replace(data_coding=data_coding)
    read = read_receipt(sm)
    assert read == SmppReceipt("Msg_7@a", DELIVERED, "DELIVRD", "", is_last=True)


def test_a_receipt_in_message_payload_is_read() -> None:
    read = read_receipt(a_receipt("", {Tag.MESSAGE_PAYLOAD: APPENDIX_B.encode()}))
    assert read == SmppReceipt("0123456789", DELIVERED, "DELIVRD", "", is_last=True)


def test_a_receipts_underscore_may_be_that_of_gsm() -> None:
    read = read_receipt(a_receipt("id:a\x11b stat:DELIVRD"))
    assert read is not None
    assert read.id == "a_b"
