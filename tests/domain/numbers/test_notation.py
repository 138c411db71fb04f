"""Notations: what is a decoration, what is a separator, and what is another number."""

import re

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from dispatcher.domain.numbers.msisdn import InvalidNumber, Msisdn, NumberPolicy, parse
from dispatcher.domain.numbers.notation import trunk_prefix, visible
from dispatcher.domain.numbers.number_fault import NumberFault
from tests.written_numbers import WRITTEN, WrittenNumber

_TYPES = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
_REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
_INVISIBLE = "\u200e\u200f\u202a\u202c\u2066\u2069\u200b\u2060\ufeff\u00ad\ufe0d"
_SEPARATORS = " -.\u00a0\u2009\u202f\u2010\u2011\u2012\u2013\u2014\u2212\uff0d\uff0e"
_DIGITS = ("0123456789", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "０１２３４５６７８９", "०१२३४५६७८९")
_WRAPS = (
    "{}",
    "'{}",
    '"{}"',
    '="{}"',
    "={}",
    "'{}'",
    "tel:{}",
    "TEL:{}",
    "sms:{}",
    " {} ",
    "\t{}\n",
    "“{}”",
    '\'="{}"',
)


def policy(country: str, **options: bool) -> NumberPolicy:
    return NumberPolicy(default_country=country, national=True, lenient=True, **options)


def result(text: str, rules: NumberPolicy) -> str | None:
    try:
        return parse(text, rules).e164
    except InvalidNumber:
        return None


def fault(text: str, country: str = "KE") -> NumberFault:
    with pytest.raises(InvalidNumber) as caught:
        parse(text, policy(country))
    return caught.value.reason


@pytest.mark.parametrize("row", WRITTEN, ids=lambda row: f"{row.country} {row.text!r}")
def test_a_written_number_becomes_what_the_table_says(row: WrittenNumber) -> None:
    assert row.allows(result(row.text, policy(row.country)))
    assert row.allows(result(row.text, policy(row.country, require_valid=False)))


@st.composite
def examples(draw: st.DrawFn) -> tuple[str, phonenumbers.PhoneNumber]:
    region = draw(st.sampled_from(_REGIONS))
    kind = draw(st.sampled_from(_TYPES))
    number = phonenumbers.example_number_for_type(region, kind) or phonenumbers.example_number(region)
    assert number is not None
    return region, number


@st.composite
def decorated(draw: st.DrawFn) -> tuple[str, str, str]:
    """Return a region, its example number decorated at random, and that number in E.164."""
    region, number = draw(examples())
    national = phonenumbers.national_significant_number(number)
    code = str(number.country_code)
    trunk = trunk_prefix(int(code)) or ""
    start = draw(
        st.sampled_from(
            [f"+{code}", f"00{code}", f"+ {code}", f"(+{code})", f"+({code})"]
            + ([f"+{code} ({trunk})", f"00{code}({trunk})"] if trunk else [])
        )
    )
    separators = st.sampled_from(["", *_SEPARATORS, " - ", "\u200e", "\u200b "])
    groups = re.findall(r"\d{1,4}", national) if draw(st.booleans()) else [national]
    text = start + draw(st.sampled_from(["", " ", "-"]))
    if draw(st.booleans()) and len(groups) > 2:
        groups[0] = f"({groups[0]})"
    text += "".join(
        group + (draw(separators) if n < len(groups) - 1 else "") for n, group in enumerate(groups)
    )
    digits = draw(st.sampled_from(_DIGITS))
    text = text.translate(str.maketrans("0123456789", digits))
    text = draw(st.sampled_from(_WRAPS)).format(text)
    place = draw(st.integers(0, len(text)))
    text = text[:place] + draw(st.sampled_from(["", *_INVISIBLE])) + text[place:]
    return region, text, phonenumbers.format_number(number, PhoneNumberFormat.E164)


@settings(deadline=None, max_examples=1500)
@given(decorated(), st.booleans())
def test_a_decorated_number_is_the_number_or_refused_and_never_another(
    drawn: tuple[str, str, str], strict: bool
) -> None:
    region, text, e164 = drawn
    found = result(text, policy(region, require_valid=strict))
    assert found in (e164, None), text
    if "(" not in text and not re.search(r"[.][0-9]{1,2}\W*$", visible(text)):
        assert found == e164, text


@example("BY", "00000000", False, False, False)
@settings(deadline=None, max_examples=1500)
@given(
    st.sampled_from(_REGIONS),
    st.text(st.sampled_from("+0123456789 -./()[]'=\"xe,;\u200e\u2011٣ \n"), max_size=24)
    | st.from_regex(r"(\+|00|0|)[0-9]{2,6}[ /.-]?[0-9]{2,7}([ /.,-][0-9]{1,4})?", fullmatch=True),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_no_number_has_other_digits_than_were_written(
    region: str, text: str, require_valid: bool, unchecked: bool, blank: bool
) -> None:
    """The written digits end with the national number; before it only prefixes, and the country code."""
    rules = policy(region, require_valid=require_valid, unchecked=unchecked, blank_is_plus=blank)
    found = result(text, rules)
    if found is None:
        return
    written = "".join(str(int(c)) for c in text if c.isdecimal())
    if fraction := re.fullmatch(r"[='\"\s\u200e]*\+?\d{7,}[.,](0{1,2})['\"\s\u200e]*", text):
        written = written[: -len(fraction[1])]
    if found in (written, f"+{written}"):
        return
    number = phonenumbers.parse(found)
    national, code = phonenumbers.national_significant_number(number), str(number.country_code)
    assert written.endswith(national), (text, found)
    before = written[: len(written) - len(national)]
    trunk = trunk_prefix(int(code)) or ""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    abroad = f"(?:{metadata.international_prefix}|00)?" if metadata else ""
    assert re.fullmatch(rf"(?:{abroad}{code})?(?:{trunk}0?|0)?", before), (text, found)


@pytest.mark.parametrize(
    ("text", "country", "reason"),
    [
        ("2.54712E+11", "KE", NumberFault.SHORTENED),
        ("'2,54712e11", "KE", NumberFault.SHORTENED),
        ("254712345601.5", "KE", NumberFault.FRACTION),
        ("+254712345601 ext 5", "KE", NumberFault.EXTENSION),
        ("+254712345601#5", "KE", NumberFault.EXTENSION),
        ("0712345601/2", "KE", NumberFault.SEVERAL),
        ("0712345601, 0712345602", "KE", NumberFault.SEVERAL),
        ("0712345601\n0712345602", "KE", NumberFault.SEVERAL),
        ("+39 (0)331 1234567", "KE", NumberFault.TRUNK_ZERO),
        ("011 15-2345-6789", "AR", NumberFault.REWRITTEN),
        ("0800 FLOWERS", "US", NumberFault.NOT_DIGITS),
        ("'", "KE", NumberFault.EMPTY),
        ("\u200e\u200f", "KE", NumberFault.EMPTY),
    ],
)
def test_what_may_be_another_number_is_refused_with_its_reason(
    text: str, country: str, reason: NumberFault
) -> None:
    assert fault(text, country) is reason


def test_a_refusal_names_the_numbers_that_may_be_meant() -> None:
    with pytest.raises(InvalidNumber, match=r"if \+5491123456789 is meant, write that"):
        parse("011 15-2345-6789", policy("AR"))
    blank = policy("US", blank_is_plus=True)
    with pytest.raises(InvalidNumber, match=r"can be read as \+14582345678 and as \+4582345678"):
        parse(" 4582345678", blank)


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("22384", Msisdn("22384", "")),
        ("*7701012345678", Msisdn("*7701012345678", "")),
        ("#123", Msisdn("#123", "")),
        ("+254 712 345 601", Msisdn("+254712345601", "KE")),
        ("0712-345-601", Msisdn("+254712345601", "KE")),
        ("+345906566798696", Msisdn("+345906566798696", "ES")),
        ("05051234567", Msisdn("05051234567", "")),
        ("123456", Msisdn("123456", "")),
    ],
)
def test_without_checks_what_is_no_number_stays_as_written(text: str, taken: Msisdn) -> None:
    assert parse(text, policy("KE", unchecked=True)) == taken


@pytest.mark.parametrize("text", ["*", "##", "abc", "12345/6", "2.5E+11", "1" * 21, "*77 x", ""])
def test_without_checks_text_is_no_number_either(text: str) -> None:
    assert result(text, policy("KE", unchecked=True)) is None


def test_short_codes_alone_do_not_let_a_wrong_number_pass() -> None:
    rules = policy("KE", short_codes=True)
    assert [result(text, rules) for text in ("40404", "0712 345", "07123456789")] == ["40404", None, None]
