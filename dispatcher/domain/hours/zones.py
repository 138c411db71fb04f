"""Time zones by their names, and those that a phone number may be in."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumber, PhoneNumberType
from phonenumbers.timezone import time_zones_for_geographical_number
from phonenumbers.tzdata import TIMEZONE_DATA

from dispatcher.domain.errors import Invalid
from dispatcher.domain.spelling import name_choices

_UNKNOWN = ("Etc/Unknown",)
_MOBILES_WITH_AREA_CODES = frozenset({52, 54, 55})  # MX, AR, BR
_MOBILE_PREFIXES = ("+569",)  # CL: libphonenumber cannot distinguish them from fixed lines
# Countries that have phone numbers but no line in zone.tab.
_MISSING_COUNTRIES = {"AC": "Atlantic/St_Helena", "TA": "Atlantic/St_Helena", "XK": "Europe/Belgrade"}


def parse_zone(name: str) -> ZoneInfo:
    """Return the zone with this IANA name. Raises Invalid if there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(f'"{name}" is not a time zone; {zone_choices(name)}') from None


def zone_choices(wanted: str) -> str:
    """Return an example, and which time zone may be meant."""
    known = sorted(available_timezones(), reverse=True)
    cities = {zone.rpartition("/")[2].casefold(): zone for zone in known}
    city = wanted.strip().replace(" ", "_").rpartition("/")[2].casefold()
    meant = f"did you mean {cities[city]}?" if city in cities else name_choices(wanted, known)
    return f'write one like "Europe/Paris" or "UTC"; {meant}'


def zones_of(number: str) -> tuple[ZoneInfo, ...]:
    """
    Return the zones in which the holder of this number (E.164) may be.

    They are those of its area if the number has one (+1 212: New York), else
    all zones of its country. Mobile numbers have none, whatever their prefix
    seems to say, but for countries in which they begin with an area code. A
    number with a shared calling code that belongs to no country counts as one
    of the largest country (+1: US). A number without a country, such as a
    satellite phone's, counts as one in UTC: its holder may be anywhere, and
    the zones of the world are never all open at once. The tuples are cached,
    so that grouping recipients by them is cheap.
    """
    codes = _zones_by_calling_code()
    known = codes.get(number[:4]) or codes.get(number[:3]) or codes.get(number[:2])
    return known or _zones_from_number(number)


def _zones_from_number(number: str) -> tuple[ZoneInfo, ...]:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return _zones(())
    if _has_area(parsed, number):
        names = time_zones_for_geographical_number(parsed)
        if names != _UNKNOWN:
            return _zones(tuple(names))
    region = phonenumbers.region_code_for_number(parsed)
    region = region or phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    return _zones(_names_by_country().get(region, ()))


def _has_area(parsed: PhoneNumber, number: str) -> bool:
    # libphonenumber takes mobiles of ID and CN for geographical, and TIMEZONE_DATA all of +628 for Jakarta's.
    if number.startswith(_MOBILE_PREFIXES):
        return False
    if phonenumbers.number_type(parsed) == PhoneNumberType.MOBILE:
        return parsed.country_code in _MOBILES_WITH_AREA_CODES
    return phonenumbers.is_number_geographical(parsed)


@cache
def _zones(names: tuple[str, ...]) -> tuple[ZoneInfo, ...]:
    known = tuple(ZoneInfo(name) for name in names if name in available_timezones())
    return known or (ZoneInfo("UTC"),)


@cache
def _zones_by_calling_code() -> Mapping[str, tuple[ZoneInfo, ...]]:
    """
    Return the calling codes, with "+", that have the same zones whatever digits follow, which most have.

    For these the number need not be parsed, which takes most of the time.
    """
    known: dict[str, tuple[ZoneInfo, ...]] = {}
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        names = _names_by_country().get(regions[0], ())
        areas = {zones for prefix, zones in TIMEZONE_DATA.items() if prefix.startswith(str(code))}
        if len(regions) == len(names) == 1 and areas <= {names}:
            known[f"+{code}"] = _zones(names)
    return MappingProxyType(known)


@cache
def _names_by_country() -> Mapping[str, tuple[str, ...]]:
    """Return the zones of each country, from zone.tab: country, coordinates, zone, comment."""
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
    found: dict[str, tuple[str, ...]] = {country: (name,) for country, name in _MISSING_COUNTRIES.items()}
    for line in table.splitlines():
        if line and not line.startswith("#"):
            country, _, name, *_ = line.split("\t")
            found[country] = (*found.get(country, ()), name)
    return MappingProxyType(found)
