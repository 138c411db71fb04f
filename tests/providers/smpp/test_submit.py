"""The submits that reach the SMSC: addresses, alphabets, parts, validity."""

from dataclasses import replace

import pytest

from dispatcher.domain.delivery.provider import Accepted, Outgoing, Rejected
from dispatcher.domain.messages.parts import PartsTaken
from dispatcher.domain.messages.status import Status
from dispatcher.providers.smpp.calls import SubmitParts
from dispatcher.providers.smpp.options import read_options
from dispatcher.providers.smpp.submit import SubmitWriter
from dispatcher.smpp.constants import DataCoding, EsmClass
from dispatcher.smpp.pdu import Address, Sm
from dispatcher.smpp.text import PartInfo, read_content
from tests.providers.smpp.smsc import a_message


def a_form(**options: object) -> SubmitWriter:
    return SubmitWriter(read_options("p", {"host": "h", "system_id": "u", "password": "p", **options}))


def submits(message: Outgoing, **options: object) -> list[Sm]:
    parts = a_form(**options).parts(message)
    assert isinstance(parts, SubmitParts)
    return [Sm.decode(body) for body in parts.bodies]


def test_a_short_text_is_one_submit_with_all_fields() -> None:
    (sm,) = submits(a_message("5 €"), service_type="OTP")
    assert sm.source == Address(5, 0, "ACME")
    assert sm.destination == Address(1, 1, "254701234567")
    assert (sm.data_coding, sm.text, sm.esm_class) == (DataCoding.DEFAULT, b"5 \x1b\x65", 0)
    assert (sm.registered_delivery, sm.validity_period) == (1, "260301123000000+")
    assert sm.service_type == "OTP"


@pytest.mark.parametrize(
    ("sender", "address"),
    [
        ("ACME 1", Address(5, 0, "ACME 1")),
        ("40404", Address(3, 0, "40404")),
        ("12345678", Address(3, 0, "12345678")),
        ("254701234567", Address(1, 1, "254701234567")),
        ("+254701234567", Address(1, 1, "254701234567")),
        (None, Address(0, 0, "")),
    ],
)
def test_the_type_of_a_sender_follows_from_its_form(sender: str | None, address: Address) -> None:
    (sm,) = submits(a_message(sender=sender))
    assert sm.source == address


def test_an_operator_may_mark_addresses_otherwise() -> None:
    (sm,) = submits(
        a_message(sender="40404"),
        addresses={"short": {"ton": 0, "npi": 1}, "recipient": {"ton": 0, "npi": 0}},
    )
    assert (sm.source, sm.destination) == (Address(0, 1, "40404"), Address(0, 0, "254701234567"))


def test_a_short_code_as_recipient_is_marked_as_one() -> None:
    (sm,) = submits(replace(a_message(), to="22384"))
    assert sm.destination == Address(3, 0, "22384")
    (sm,) = submits(replace(a_message(), to="*7701012345678"))
    assert sm.destination == Address(3, 0, "*7701012345678")


@pytest.mark.parametrize("text", ["a" * 400, "я" * 150], ids=["GSM", "UCS-2"])
def test_a_long_text_is_sent_in_parts_with_one_reference(text: str) -> None:
    parts = submits(a_message(text))
    pieces = [read_content(sm) for sm in parts]
    assert all(sm.esm_class == EsmClass.UDH for sm in parts)
    assert "".join(piece.text for piece in pieces) == text
    assert [(piece.part_info.total, piece.part_info.number) for piece in pieces if piece.part_info] == [
        (3, 1),
        (3, 2),
        (3, 3),
    ]
    assert len({piece.part_info.reference for piece in pieces if piece.part_info}) == 1


def test_only_the_parts_that_are_not_taken_are_sent_with_their_numbers_and_the_same_reference() -> None:
    whole = replace(a_message("a" * 400), part_reference=7)
    rest = replace(whole, parts_taken=PartsTaken(3, frozenset({1, 3})))
    assert [read_content(sm).part_info for sm in submits(whole)] == [PartInfo(7, 3, n) for n in (1, 2, 3)]
    assert submits(rest) == submits(whole)[1:2]


def test_a_text_that_was_begun_in_parts_is_not_sent_otherwise_after_a_change_of_options() -> None:
    begun = replace(a_message("a" * 400), parts_taken=PartsTaken(3, frozenset({1})))
    assert len(submits(begun, long_texts="payload")) == 2
    begun = replace(begun, parts_taken=PartsTaken(4, frozenset({1})))
    assert a_form().parts(begun) == Rejected(Status.FAILED, "its text has 3 parts now, not 4")


def test_a_text_whose_parts_are_all_taken_is_accepted() -> None:
    begun = replace(a_message("a" * 200), parts_taken=PartsTaken(2, frozenset({1, 2})))
    assert a_form().parts(begun) == Accepted(())


def test_a_long_text_may_be_sent_in_one_pdu() -> None:
    (sm,) = submits(a_message("я" * 150), long_texts="payload")
    assert (sm.text, sm.esm_class) == (b"", 0)
    assert read_content(sm).text == "я" * 150


def test_latin1_is_used_only_if_the_options_say_so() -> None:
    (sm,) = submits(a_message("é@"), alphabet="latin1")
    assert (sm.data_coding, sm.text) == (DataCoding.LATIN1, b"\xe9@")


def test_the_end_of_validity_can_be_left_out() -> None:
    (sm,) = submits(a_message(), validity=False)
    assert sm.validity_period == ""


def test_an_empty_text_is_one_empty_submit() -> None:
    (sm,) = submits(a_message(""))
    assert sm.text == b""


@pytest.mark.parametrize(
    "message",
    [a_message("\ud800"), a_message(sender="Ünique"), a_message(sender="A" * 21), a_message("a" * 39_016)],
    ids=["half a surrogate", "not ASCII", "too long a name", "256 parts"],
)
def test_a_message_that_smpp_cannot_carry_is_rejected(message: Outgoing) -> None:
    outcome = a_form().parts(message)
    assert isinstance(outcome, Rejected)
    assert outcome.status is Status.FAILED
    assert not isinstance(outcome, Accepted)
