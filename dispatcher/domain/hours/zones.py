"""Time zones: by name, and those a phone number may be in."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from phonenumbers.timezone import time_zones_for_geographical_number
from phonenumbers.tzdata import TIMEZONE_DATA

from dispatcher.domain.errors import Invalid

_UNKNOWN = ("Etc/Unknown",)
# Countries that have numbers and no line in zone.tab.
_UNLISTED = {"AC": "Atlantic/St_Helena", "TA": "Atlantic/St_Helena", "XK": "Europe/Belgrade"}


def parse_zone(name: str) -> ZoneInfo:
    """Find a zone by its IANA name; raise Invalid if there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(f'"{name}" is not a time zone; write one like "Europe/Paris" or "UTC"') from None


def zones_of(number: str) -> tuple[ZoneInfo, ...]:
    """
    Name the zones in which the holder of this number (E.164) may be.

    Those of its area where the number tells it (+1 212: New York), else all
    of its country. A number that no country of a shared calling code knows
    is taken for the largest one's (+1: US). One without a country, such as a
    satellite's, is taken to be in UTC: its holder may be anywhere, and all
    zones of the world are never open together. Answers are hashable, and
    equal ones mostly one object: recipients can be grouped by them.
    """
    codes = _zones_by_calling_code()
    known = codes.get(number[:4]) or codes.get(number[:3]) or codes.get(number[:2])
    return known or _zones_told_by(number)


def _zones_told_by(number: str) -> tuple[ZoneInfo, ...]:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return _zones(())
    if phonenumbers.is_number_geographical(parsed):
        names = time_zones_for_geographical_number(parsed)
        if names != _UNKNOWN:
            return _zones(tuple(names))
    region = phonenumbers.region_code_for_number(parsed)
    region = region or phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    return _zones(_names_by_country().get(region, ()))


@cache
def _zones(names: tuple[str, ...]) -> tuple[ZoneInfo, ...]:
    known = tuple(ZoneInfo(name) for name in names if name in available_timezones())
    return known or (ZoneInfo("UTC"),)


@cache
def _zones_by_calling_code() -> Mapping[str, tuple[ZoneInfo, ...]]:
    """
    Give the calling codes, with "+", behind which there is one zone whatever follows: most of them.

    It saves reading the number, which takes most of the time.
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
    """Read the zone database's own table: country, coordinates, zone, comment."""
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
    found: dict[str, tuple[str, ...]] = {country: (name,) for country, name in _UNLISTED.items()}
    for line in table.splitlines():
        if line and not line.startswith("#"):
            country, _, name, *_ = line.split("\t")
            found[country] = (*found.get(country, ()), name)
    return MappingProxyType(found)
