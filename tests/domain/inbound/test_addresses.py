"""The numbers in inbound messages, in the forms that providers use."""

import pytest

from dispatcher.domain.inbound.addresses import address_forms, read_sender_number


@pytest.mark.parametrize(
    ("reported", "number"),
    [
        ("+254712345678", "+254712345678"),
        ("254712345678", "+254712345678"),
        ("+254 712 345-678", "+254712345678"),
        ("40404", "40404"),
        ("0712345678", "0712345678"),
        ("Bank", "Bank"),
        ("", ""),
    ],
)
def test_a_number_is_returned_in_e164_and_other_text_unchanged(reported: str, number: str) -> None:
    assert read_sender_number(reported) == number


@pytest.mark.parametrize(
    ("recipient", "names"),
    [
        ("+12025550199", {"+12025550199", "12025550199"}),
        ("12025550199", {"+12025550199", "12025550199"}),
        ("+1 202-555-0199", {"+12025550199", "12025550199", "+1 202-555-0199", "1 202-555-0199"}),
        ("40404", {"40404"}),
        ("+40404", {"+40404", "40404"}),
        (" SHOP ", {"SHOP"}),
        ("", set()),
    ],
)
def test_a_sender_is_known_by_its_digits_with_and_without_plus(recipient: str, names: set[str]) -> None:
    assert address_forms(recipient) == names
