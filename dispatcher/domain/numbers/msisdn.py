"""Phone numbers: parsed by the policy of a dialect, and written in E.164."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from dispatcher.domain.numbers.countries import is_country
from dispatcher.domain.numbers.notation import read_notation, trunk_prefix, visible
from dispatcher.domain.numbers.number_fault import TEXTS, NumberFault

_MAX_LENGTH = 64  # characters, separators and decorations included
_MAX_SHOWN = 40
_DIALLED = re.compile(r"\+?[0-9]+")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SANDBOX = re.compile(r"\+[0-9]{2,9}9900([0-9]{2})")
_SERVICE = re.compile(
    r"(?=[*#]*[0-9])[0-9*#]{1,20}"
)  # GSM 03.40, 9.1.2.5: an address has up to 20 semi-octets
_LONGEST_ADDRESS = 20
_LONGEST_SHORT_CODE = 6
_ABROAD = "00"  # ITU-T E.123: recommended, and written even where another prefix is dialled
_NON_GEOGRAPHIC = "001"
_MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


@dataclass(frozen=True, slots=True)
class Msisdn:
    """
    A number in E.164 with "+", and its ISO country; "" if it has none or it is unknown.

    Where a caller may skip the checks, it can be a short code or a service
    code such as *77: then it is as written, without "+" and without a country.
    """

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
    lenient: bool = False  # accept every notation, and 00 for "+"
    short_codes: bool = False  # accept up to six digits, and what has "*" or "#", as written
    unchecked: bool = False  # accept these, and digits that are no number, as written
    blank_is_plus: bool = False  # a leading blank may be a "+" that a URL or a form has decoded
    simulated: bool = False  # accept "+", digits and 9900NN even if not valid

    def __post_init__(self) -> None:
        if self.national and self.require_plus:
            raise ValueError(
                'national numbers have no "+", so a policy cannot have both national and require_plus'
            )


class InvalidNumber(ValueError):
    """A number that the policy refuses, and why. The text contains the number, so it must not be logged."""

    def __init__(self, raw: str, reason: NumberFault, *readings: str) -> None:
        self.reason = reason
        self.advice = TEXTS[reason].format(" and as ".join(sorted(readings)))
        shown = raw if len(raw) <= _MAX_SHOWN else raw[:_MAX_SHOWN] + "…"
        super().__init__(f"The phone number {shown!r} {self.advice}")


def parse(raw: str, policy: NumberPolicy) -> Msisdn:
    """
    Return a number in E.164. Raises InvalidNumber if the policy refuses it.

    Its digits are those that were written, but for the country code and the
    prefixes that are dialled before it and before national numbers: +33 01…
    loses its trunk zero, so that each phone has one spelling.
    """
    if len(raw) > _MAX_LENGTH:
        raise InvalidNumber(raw, NumberFault.TOO_LONG)
    if policy.unchecked or policy.short_codes:
        return _short_code(raw, policy)
    if _DIALLED.fullmatch(raw):
        return _number(raw, raw, policy)
    if not policy.lenient:
        empty = not raw or raw.isspace()
        raise InvalidNumber(raw, NumberFault.EMPTY if empty else NumberFault.NOT_DIGITS)
    notation = read_notation(raw)
    if isinstance(notation, NumberFault):
        raise InvalidNumber(raw, notation)
    if not (notation.is_certain or policy.require_valid):
        policy = replace(policy, require_valid=True)
    return _number(notation.dialled, raw, policy)


def sandbox_code(e164: str) -> int | None:
    """Return NN of a simulated number, which has 8 to 15 digits and ends in 9900NN; None for any other."""
    match = _SANDBOX.fullmatch(e164)
    return int(match[1]) if match else None


def mask(e164: str) -> str:
    """Return a number for a log, such as +2547****4567, with at least a third of its digits hidden."""
    digits = e164.removeprefix("+")
    visible_digits = len(digits) * 2 // 3
    tail = min(visible_digits // 2, 4)
    head = min(visible_digits - tail, 4)
    return f"{e164[: len(e164) - len(digits) + head]}****{digits[len(digits) - tail :]}"


def _number(dialled: str, raw: str, policy: NumberPolicy) -> Msisdn:
    if dialled.startswith("+"):
        return _international(dialled, raw, policy)
    if policy.national:
        return _national(dialled, raw, policy)
    if policy.require_plus:
        raise InvalidNumber(raw, NumberFault.NO_PLUS)
    if policy.lenient and dialled.startswith(_ABROAD):
        return _international(f"+{dialled[2:]}", raw, replace(policy, require_valid=True))
    return _international(f"+{dialled}", raw, policy)


def _international(dialled: str, raw: str, policy: NumberPolicy) -> Msisdn:
    if not _E164.fullmatch(dialled):
        raise InvalidNumber(raw, NumberFault.INVALID)
    simulated = policy.simulated and sandbox_code(dialled) is not None
    number = _read(dialled, None)
    if number is not None and (country := _country_if_valid(number)) is not None:
        e164 = _write(number)
        if e164 != dialled and not _is_as_written(number, dialled, None):
            raise InvalidNumber(raw, NumberFault.REWRITTEN, e164)
        if not simulated:
            _check_mobile(e164, raw, policy)
        return Msisdn(e164, country)
    if simulated or not (policy.require_valid or policy.require_mobile):
        return Msisdn(dialled, _main_country(number.country_code) if number else "")
    raise InvalidNumber(raw, NumberFault.INVALID)


def _national(dialled: str, raw: str, policy: NumberPolicy) -> Msisdn:
    """Return a number without "+": national, or international with a prefix; refused if it may be two."""
    home = policy.default_country if is_country(policy.default_country or "") else None
    number = None if home is None else _read(dialled, home)
    readings = {other.e164: other for other in _other_readings(dialled, raw, policy)}
    rewritten = ""
    if number is not None and (country := _country_if_valid(number)) is not None:
        if not _is_as_written(number, dialled, home):
            rewritten = _write(number)
        # libphonenumber takes some numbers of more than 15 digits to be valid (freephone in NG).
        elif _E164.fullmatch(e164 := _write(number)):
            readings[e164] = Msisdn(e164, country)
    if len(readings) > 1:
        raise InvalidNumber(raw, NumberFault.AMBIGUOUS, *readings)
    for found in readings.values():
        if not (policy.simulated and sandbox_code(found.e164) is not None):
            _check_mobile(found.e164, raw, policy)
        return found
    if rewritten:
        raise InvalidNumber(raw, NumberFault.REWRITTEN, rewritten)
    if home is None:
        raise InvalidNumber(raw, NumberFault.NO_COUNTRY)
    return _possible(number, dialled, raw, policy)


def _other_readings(dialled: str, raw: str, policy: NumberPolicy) -> Iterator[Msisdn]:
    """Yield the valid international readings of a number without "+": after 00, and after a blank."""
    after: list[str] = []
    if policy.lenient and dialled.startswith(_ABROAD):
        after.append(dialled.removeprefix(_ABROAD))
    if policy.blank_is_plus and raw.startswith(" "):
        after.append(dialled)
    for digits in after:
        with suppress(InvalidNumber):
            yield _international(f"+{digits}", raw, replace(policy, require_valid=True, require_mobile=False))


def _possible(number: PhoneNumber | None, dialled: str, raw: str, policy: NumberPolicy) -> Msisdn:
    """Return a national number that has a possible length, if the policy asks for no more."""
    home = policy.default_country or ""
    if (
        number is None
        or policy.require_valid
        or policy.require_mobile
        or not _E164.fullmatch(e164 := _write(number))
        # Its zeros would be read as trunk prefixes again.
        or (again := _read(e164, None)) is None
        or _write(again) != e164
        or not phonenumbers.is_possible_number(number)
        or not _is_as_written(number, dialled, home)
    ):
        raise InvalidNumber(raw, NumberFault.INVALID)
    at_home = number.country_code == phonenumbers.country_code_for_region(home)
    return Msisdn(e164, home if at_home else _main_country(number.country_code))


def _short_code(raw: str, policy: NumberPolicy) -> Msisdn:
    """Return a short or service code as it was written; a number that is none in E.164, if it is valid."""
    shown = visible(raw)
    if _SERVICE.fullmatch(shown) and not shown.isdigit():
        return Msisdn(shown, "")
    notation = read_notation(raw)
    if isinstance(notation, NumberFault):
        raise InvalidNumber(raw, notation)
    dialled = notation.dialled
    if not notation.is_certain or len(dialled) > _LONGEST_SHORT_CODE:
        checked = replace(policy, short_codes=False, unchecked=False, require_mobile=False)
        checked = checked if notation.is_certain else replace(checked, require_valid=True)
        try:
            return _number(dialled, raw, checked)
        except InvalidNumber:
            if not (policy.unchecked and notation.is_certain and len(dialled) <= _LONGEST_ADDRESS):
                raise
    number = _read(dialled, None) if dialled.startswith("+") else None
    return Msisdn(dialled, _main_country(number.country_code) if number else "")


def _read(dialled: str, region: str | None) -> PhoneNumber | None:
    """Return the number as libphonenumber parses it; None if it cannot, as for an unknown country code."""
    try:
        return phonenumbers.parse(dialled, region)
    except phonenumbers.NumberParseException:
        return None


def _write(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _is_as_written(number: PhoneNumber, dialled: str, home: str | None) -> bool:
    """
    Return whether a number has the digits that were dialled, but for prefixes.

    Those are the country code, the prefix of the home country or 00 before
    it, and the trunk prefix. libphonenumber also drops carrier codes, and adds
    area codes and mobile tokens (AR: 15 becomes 9): that would be a guess.
    """
    national = phonenumbers.national_significant_number(number)
    if not dialled.endswith(national):
        return False
    return _prefixes(number.country_code or 0, home).fullmatch(dialled[: -len(national)]) is not None


@cache
def _prefixes(calling_code: int, home: str | None) -> re.Pattern[str]:
    """Return the pattern of what may precede a national significant number; `home` None is after "+"."""
    prefix = trunk_prefix(calling_code) or ""
    trunk = f"(?:{prefix}0?|0)?"
    if home is None:
        return re.compile(rf"\+{calling_code}{trunk}")
    metadata = PhoneMetadata.metadata_for_region(home, None)
    abroad = f"(?:{metadata.international_prefix}|{_ABROAD})" if metadata else _ABROAD
    return re.compile(rf"(?:{abroad})?{calling_code}{trunk}|{trunk}")


def _country_if_valid(number: PhoneNumber) -> str | None:
    """Return the country of a valid number, "" if it has none (satellites); None if it is not valid."""
    # is_valid_number would look up the region again, which is half of the cost for shared codes such as +1.
    region = phonenumbers.region_code_for_number(number)
    if region is None or not phonenumbers.is_valid_number_for_region(number, region):
        return None
    return "" if region == _NON_GEOGRAPHIC else region


def _check_mobile(e164: str, raw: str, policy: NumberPolicy) -> None:
    if policy.require_mobile and phonenumbers.number_type(phonenumbers.parse(e164)) not in _MOBILE:
        raise InvalidNumber(raw, NumberFault.NOT_MOBILE)


def _main_country(calling_code: int | None) -> str:
    """Return the main country of a calling code (+1: US), "" if it has none."""
    region = phonenumbers.region_code_for_country_code(calling_code or 0)
    return region if len(region) == 2 and region != "ZZ" else ""
