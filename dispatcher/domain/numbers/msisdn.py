"""Phone numbers: parsed by the policy of a dialect, and written in E.164."""

import re
from dataclasses import dataclass
from enum import StrEnum

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType

_MAX_LENGTH = 40  # characters, separators included
_SEPARATORS = str.maketrans("", "", " \N{NO-BREAK SPACE}-.()/")
_DIALLED = re.compile(r"\+?[0-9]+")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SANDBOX = re.compile(r"\+[0-9]{2,9}9900([0-9]{2})")
_NON_GEOGRAPHIC = "001"
_MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


@dataclass(frozen=True, slots=True)
class Msisdn:
    """A number in E.164 with "+", and its ISO country; "" if it has none or it is unknown."""

    e164: str
    country: str


@dataclass(frozen=True, slots=True)
class NumberPolicy:
    """
    The numbers that a caller may use; each dialect has a policy of its own.

    A number without "+" is national if `national` is set, else international
    unless `require_plus` is set. Without `require_valid`, any plausible E.164
    number is accepted, and any national number of a possible length.
    """

    default_country: str | None = None  # of national numbers; without it none are accepted
    national: bool = False  # accept national numbers of default_country
    require_plus: bool = False  # refuse "254712345678"
    require_valid: bool = True  # its range must be known to libphonenumber
    require_mobile: bool = False  # it must be valid, and a mobile number or possibly one
    lenient: bool = False  # accept spaces, "-", ".", "/" and brackets
    simulated: bool = False  # accept "+", digits and 9900NN even if not valid

    def __post_init__(self) -> None:
        if self.national and self.require_plus:
            raise ValueError(
                'national numbers have no "+", so a policy cannot have both national and require_plus'
            )


class NumberFault(StrEnum):
    """Why a number is refused."""

    EMPTY = "empty"
    TOO_LONG = "too long"
    NOT_DIGITS = "not digits"  # letters, an extension, a URI, digits of another script, separators
    NO_PLUS = "no plus"
    NO_COUNTRY = "no country"  # national, without a default country
    INVALID = "invalid"
    NOT_MOBILE = "not mobile"


_TEXTS = {
    NumberFault.EMPTY: "The phone number {} is empty",
    NumberFault.TOO_LONG: "The phone number {} is too long",
    NumberFault.NOT_DIGITS: "The phone number {} must be digits, with a + before a country code",
    NumberFault.NO_PLUS: "The phone number {} must begin with + and a country code",
    NumberFault.NO_COUNTRY: "The phone number {} has no country code, and the account has no default country",
    NumberFault.INVALID: "The phone number {} is invalid",
    NumberFault.NOT_MOBILE: "The phone number {} is not a mobile phone number",
}


class InvalidNumber(ValueError):
    """A number that the policy refuses, and why. The text contains the number, so it must not be logged."""

    def __init__(self, raw: str, reason: NumberFault) -> None:
        self.reason = reason
        shown = raw if len(raw) <= _MAX_LENGTH else raw[:_MAX_LENGTH] + "…"
        super().__init__(_TEXTS[reason].format(repr(shown)))


def parse(raw: str, policy: NumberPolicy) -> Msisdn:
    """
    Return a number in E.164. Raises InvalidNumber if the policy refuses it.

    A valid number has the form of libphonenumber (+33 01… loses its trunk
    zero), so that each phone has one spelling; any other number is unchanged.
    """
    dialled = _digits(raw, policy)
    if dialled.startswith("+"):
        return _international(dialled, raw, policy)
    return _national(dialled, raw, policy)


def is_country(code: str) -> bool:
    """Return whether this is a country (ISO, two capital letters) whose national numbers can be parsed."""
    return code in phonenumbers.SUPPORTED_REGIONS


def sandbox_code(e164: str) -> int | None:
    """Return NN of a simulated number, which has 8 to 15 digits and ends in 9900NN; None for any other."""
    match = _SANDBOX.fullmatch(e164)
    return int(match[1]) if match else None


def mask(e164: str) -> str:
    """Return a number for a log, such as +2547****4567, with at least a third of its digits hidden."""
    digits = e164.removeprefix("+")
    visible = len(digits) * 2 // 3
    tail = min(visible // 2, 4)
    head = min(visible - tail, 4)
    return f"{e164[: len(e164) - len(digits) + head]}****{digits[len(digits) - tail :]}"


def _digits(raw: str, policy: NumberPolicy) -> str:
    """Return the digits without separators, with "+" unless they are national."""
    if len(raw) > _MAX_LENGTH:
        raise InvalidNumber(raw, NumberFault.TOO_LONG)
    bare = raw.translate(_SEPARATORS) if policy.lenient else raw
    if not bare or bare.isspace():
        raise InvalidNumber(raw, NumberFault.EMPTY)
    if not _DIALLED.fullmatch(bare):
        raise InvalidNumber(raw, NumberFault.NOT_DIGITS)
    if bare.startswith("+") or policy.national:
        return bare
    if policy.require_plus:
        raise InvalidNumber(raw, NumberFault.NO_PLUS)
    return f"+{bare}"


def _international(dialled: str, raw: str, policy: NumberPolicy) -> Msisdn:
    if not _E164.fullmatch(dialled):
        raise InvalidNumber(raw, NumberFault.INVALID)
    simulated = policy.simulated and sandbox_code(dialled) is not None
    number = _read(dialled, None)
    if number is not None and (country := _country_if_valid(number)) is not None:
        if not simulated:
            _check_mobile(number, raw, policy)
        return Msisdn(_write(number), country)
    if simulated or not (policy.require_valid or policy.require_mobile):
        return Msisdn(dialled, _main_country(number.country_code) if number else "")
    raise InvalidNumber(raw, NumberFault.INVALID)


def _national(dialled: str, raw: str, policy: NumberPolicy) -> Msisdn:
    home = policy.default_country
    if home is None or home not in phonenumbers.SUPPORTED_REGIONS:
        raise InvalidNumber(raw, NumberFault.NO_COUNTRY)
    number = _read(dialled, home)
    # libphonenumber takes some numbers of more than 15 digits to be valid (freephone in NG).
    if number is None or not _E164.fullmatch(e164 := _write(number)):
        raise InvalidNumber(raw, NumberFault.INVALID)
    if (country := _country_if_valid(number)) is not None:
        _check_mobile(number, raw, policy)
        return Msisdn(e164, country)
    if policy.require_valid or policy.require_mobile or not phonenumbers.is_possible_number(number):
        raise InvalidNumber(raw, NumberFault.INVALID)
    at_home = number.country_code == phonenumbers.country_code_for_region(home)
    return Msisdn(e164, home if at_home else _main_country(number.country_code))


def _read(dialled: str, region: str | None) -> PhoneNumber | None:
    """Return the number as libphonenumber parses it; None if it cannot, as for an unknown country code."""
    try:
        return phonenumbers.parse(dialled, region)
    except phonenumbers.NumberParseException:
        return None


def _write(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _country_if_valid(number: PhoneNumber) -> str | None:
    """Return the country of a valid number, "" if it has none (satellites); None if it is not valid."""
    # is_valid_number would look up the region again, which is half of the cost for shared codes such as +1.
    region = phonenumbers.region_code_for_number(number)
    if region is None or not phonenumbers.is_valid_number_for_region(number, region):
        return None
    return "" if region == _NON_GEOGRAPHIC else region


def _check_mobile(number: PhoneNumber, raw: str, policy: NumberPolicy) -> None:
    if policy.require_mobile and phonenumbers.number_type(number) not in _MOBILE:
        raise InvalidNumber(raw, NumberFault.NOT_MOBILE)


def _main_country(calling_code: int | None) -> str:
    """Return the main country of a calling code (+1: US), "" if it has none."""
    region = phonenumbers.region_code_for_country_code(calling_code or 0)
    return region if len(region) == 2 and region != "ZZ" else ""
