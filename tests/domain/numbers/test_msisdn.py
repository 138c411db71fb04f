"""MSISDN: every row of the contracts' phone policy can be expressed, and each refusal has its reason."""

import re
from dataclasses import replace

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.domain.numbers.msisdn import (
    InvalidNumber,
    Msisdn,
    NumberPolicy,
    mask,
    parse,
    sandbox_code,
)
from dispatcher.domain.numbers.number_fault import NumberFault

# The rows of CONTRACTS, "Phone policy", one for each dialect.
KENYAN = NumberPolicy(default_country="KE", national=True, lenient=True)  # 000, 002
PLAUSIBLE = NumberPolicy(require_valid=False)  # 001
PLUS_AND_DIGITS = NumberPolicy(require_plus=True)  # 003
MOBILE = replace(KENYAN, require_mobile=True)  # 004
SIMULATED = NumberPolicy(require_plus=True, require_mobile=True, simulated=True)

anything = st.text(max_size=60) | st.text(st.sampled_from("+0123456789 -()."), max_size=20)
dialled = st.from_regex(r"(\+(254|33|1|39|44|7|61)|0|00|)[0-9]{4,11}", fullmatch=True)
policies = st.builds(
    NumberPolicy,
    default_country=st.sampled_from([None, "KE", "FR", "US", "IT", "AQ", "nowhere"]),
    national=st.booleans(),
    require_valid=st.booleans(),
    require_mobile=st.booleans(),
    lenient=st.booleans(),
    simulated=st.booleans(),
)


def refusal(raw: str, policy: NumberPolicy) -> NumberFault:
    with pytest.raises(InvalidNumber) as caught:
        parse(raw, policy)
    return caught.value.reason


@pytest.mark.parametrize(
    "raw",
    [
        "0712345678",
        "0712 345-678",
        "(0712) 345.678",
        "+254712345678",
        "+254 712 345 678",
        "254712345678",
        "000254712345678",
    ],
)
def test_a_national_policy_accepts_every_form_of_a_number_of_its_country(raw: str) -> None:
    assert parse(raw, KENYAN) == Msisdn("+254712345678", "KE")


def test_a_national_policy_accepts_numbers_of_other_countries_with_plus() -> None:
    assert parse("+33612345678", KENYAN) == Msisdn("+33612345678", "FR")


@pytest.mark.parametrize("country", [None, "AQ", "ke", "nowhere"])
def test_a_national_number_without_a_known_country_is_refused(country: str | None) -> None:
    policy = replace(KENYAN, default_country=country)
    assert refusal("0712345678", policy) is NumberFault.NO_COUNTRY
    assert parse("+254712345678", policy) == Msisdn("+254712345678", "KE")


def test_a_national_number_of_a_wrong_length_is_refused_even_if_it_need_not_be_valid() -> None:
    policy = replace(KENYAN, require_valid=False)
    assert refusal("12345", policy) is NumberFault.INVALID
    assert refusal("99", policy) is NumberFault.INVALID


def test_a_national_number_of_a_possible_length_is_accepted_if_it_need_not_be_valid() -> None:
    policy = replace(KENYAN, require_valid=False, default_country="FR")
    assert parse("0404-040-404", policy) == Msisdn("+33404040404", "FR")


@pytest.mark.parametrize("raw", ["+1234567890", "1234567890", "23948729438", "+999999999999999", "1234567"])
def test_a_plausible_policy_accepts_impossible_numbers_with_and_without_plus(raw: str) -> None:
    assert parse(raw, PLAUSIBLE).e164 == "+" + raw.removeprefix("+")


def test_the_country_of_an_impossible_number_is_its_calling_codes_or_none() -> None:
    assert parse("+1234567890", PLAUSIBLE).country == "US"
    assert parse("+999999999999999", PLAUSIBLE).country == ""


@settings(deadline=None)
@given(st.text(st.sampled_from("+0123456789a \n٣"), max_size=18))
def test_a_plausible_policy_accepts_the_numbers_in_the_contract_of_001(raw: str) -> None:
    try:
        parse(raw, PLAUSIBLE)
    except InvalidNumber:
        accepted = False
    else:
        accepted = True
    assert accepted == bool(re.fullmatch(r"\+?[1-9][0-9]{6,14}", raw))


@pytest.mark.parametrize(
    ("raw", "e164"),
    [("+330101010101", "+33101010101"), ("+490303030303", "+49303030303"), ("+33612345678", "+33612345678")],
)
def test_a_trunk_zero_after_the_country_code_is_dropped(raw: str, e164: str) -> None:
    assert parse(raw, PLUS_AND_DIGITS).e164 == e164


def test_an_italian_zero_stays() -> None:
    assert parse("+390236618300", PLUS_AND_DIGITS) == Msisdn("+390236618300", "IT")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("+123456789", NumberFault.INVALID),
        ("33612345678", NumberFault.NO_PLUS),
        ("+33 612345678", NumberFault.NOT_DIGITS),
        ("0404-040-404", NumberFault.NOT_DIGITS),
        ("+33123456789\n", NumberFault.NOT_DIGITS),
        ("+0123456789", NumberFault.INVALID),
        ("+999123456789", NumberFault.INVALID),
    ],
)
def test_a_strict_policy_accepts_only_plus_and_digits_of_valid_numbers(raw: str, reason: NumberFault) -> None:
    assert refusal(raw, PLUS_AND_DIGITS) is reason


def test_a_mobile_policy_refuses_fixed_lines() -> None:
    assert refusal("+254202012345", MOBILE) is NumberFault.NOT_MOBILE
    assert refusal("0202012345", MOBILE) is NumberFault.NOT_MOBILE
    assert parse("+254202012345", KENYAN).country == "KE"


def test_a_mobile_policy_accepts_numbers_that_may_be_mobile_or_fixed() -> None:
    assert parse("+12025550100", MOBILE) == Msisdn("+12025550100", "US")


def test_a_mobile_policy_refuses_invalid_numbers_though_they_need_not_be_valid() -> None:
    assert refusal("+1234567890", replace(MOBILE, require_valid=False)) is NumberFault.INVALID


def test_countries_that_share_a_calling_code_are_distinguished() -> None:
    assert parse("+14165551234", PLUS_AND_DIGITS).country == "CA"


def test_a_satellite_number_has_no_country() -> None:
    assert parse("+870773111632", PLUS_AND_DIGITS).country == ""


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", NumberFault.EMPTY),
        ("  ", NumberFault.EMPTY),
        ("+", NumberFault.NOT_DIGITS),
        ("++254712345678", NumberFault.NOT_DIGITS),
        ("2547+12345678", NumberFault.NOT_DIGITS),
        ("0800-FLOWERS", NumberFault.NOT_DIGITS),
        ("tel:", NumberFault.EMPTY),
        ("+254712345678;ext=5", NumberFault.EXTENSION),
        ("+254712345678 x5", NumberFault.EXTENSION),
        ("+254712345678²", NumberFault.NOT_DIGITS),
        ("\ud800", NumberFault.NOT_DIGITS),
        ("1" * 1_000_000, NumberFault.TOO_LONG),
        ("1" * 30, NumberFault.INVALID),
    ],
)
def test_text_that_is_not_a_number_is_refused_by_every_policy(raw: str, reason: NumberFault) -> None:
    assert refusal(raw, KENYAN) is reason
    refusal(raw, PLAUSIBLE)
    refusal(raw, SIMULATED)


def test_a_refusal_shortens_the_value() -> None:
    assert str(InvalidNumber("+123456789", NumberFault.INVALID)) == (
        "The phone number '+123456789' is invalid: check its digits and its country code"
    )
    assert len(str(InvalidNumber("1" * 1_000_000, NumberFault.TOO_LONG))) < 100
    assert "\n" not in str(InvalidNumber("+1\n2", NumberFault.NOT_DIGITS))


@pytest.mark.parametrize("fault", NumberFault)
def test_every_fault_has_a_text_with_the_number(fault: NumberFault) -> None:
    assert "'+12'" in str(InvalidNumber("+12", fault))


def test_a_policy_cannot_require_plus_for_national_numbers() -> None:
    with pytest.raises(ValueError, match="national"):
        NumberPolicy(national=True, require_plus=True)


@pytest.mark.parametrize(
    ("raw", "country"),
    [
        ("+254999990042", "KE"),
        ("+254202990042", "KE"),
        ("+19999990042", "US"),
        ("+99999990042", ""),
        ("+33990042", "FR"),
    ],
)
def test_a_simulated_number_is_accepted_even_if_it_is_invalid_or_not_mobile(raw: str, country: str) -> None:
    assert parse(raw, SIMULATED) == Msisdn(raw, country)


def test_a_simulated_number_is_a_usual_one_unless_the_policy_accepts_it() -> None:
    assert refusal("+19999990042", replace(SIMULATED, simulated=False)) is NumberFault.INVALID


@pytest.mark.parametrize("raw", ["+1990042", "+1234567899990042", "+0999990042", "+19999990142"])
def test_a_simulated_number_has_8_to_15_digits_and_the_mark(raw: str) -> None:
    assert refusal(raw, SIMULATED) is NumberFault.INVALID


@pytest.mark.parametrize(
    ("e164", "code"),
    [
        ("+254799990042", 42),
        ("+254799990000", 0),
        ("+254799990142", None),
        ("+254712345678", None),
        ("990042", None),
    ],
)
def test_the_sandbox_code_is_what_follows_9900_at_the_end(e164: str, code: int | None) -> None:
    assert sandbox_code(e164) == code


@pytest.mark.parametrize(
    ("e164", "masked"),
    [
        ("+254712344567", "+2547****4567"),
        ("+123456789012345", "+1234****2345"),
        ("+1234567", "+12****67"),
        ("254712344567", "2547****4567"),
        ("7", "****"),
        ("", "****"),
    ],
)
def test_a_masked_number_shows_its_ends(e164: str, masked: str) -> None:
    assert mask(e164) == masked


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_a_mask_hides_at_least_a_third_of_the_digits(e164: str) -> None:
    shown = mask(e164).replace("*", "").removeprefix("+")
    assert len(shown) * 3 <= (len(e164) - 1) * 2


@settings(deadline=None)  # a country's ranges are imported when first met
@given(anything | dialled, policies)
def test_an_accepted_number_is_e164_and_a_valid_one_is_read_back_unchanged(
    raw: str, policy: NumberPolicy
) -> None:
    try:
        found = parse(raw, policy)
    except InvalidNumber:
        return
    assert re.fullmatch(r"\+[1-9][0-9]{6,14}", found.e164)
    if policy.require_valid:
        assert parse(found.e164, policy) == found


def test_a_valid_national_number_too_long_for_e164_is_refused() -> None:
    assert refusal("8009304071442", replace(KENYAN, default_country="NG")) is NumberFault.INVALID


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_the_example_number_of_every_country_is_accepted_unchanged(region: str) -> None:
    example = phonenumbers.example_number(region)
    assert example is not None
    e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    found = parse(e164, PLUS_AND_DIGITS)
    assert found.e164 == e164
    assert phonenumbers.country_code_for_region(found.country) == example.country_code
