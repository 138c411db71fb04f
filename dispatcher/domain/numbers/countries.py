"""
The countries that a setting names: "GB", "-JE", "+44".

A country stands for all that share its calling code, if it is the main one of
it: GB for Guernsey, Jersey and the Isle of Man. Not so for +1 and +7: those countries have
networks and prices of their own, and each is named, or the code as a whole.
"""

import re
from collections.abc import Mapping, Set
from functools import lru_cache
from typing import TypeVar

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, SUPPORTED_REGIONS

T = TypeVar("T")

_OF_INDEPENDENT_STATES = frozenset({1, 7})
_CALLING_CODE = re.compile("[1-9][0-9]{0,2}")
_SHARED: Mapping[str, frozenset[str]] = {
    regions[0]: frozenset(regions)
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()
    if code not in _OF_INDEPENDENT_STATES and len(regions) > 1
}

ADVICE = 'write two capital letters, like "FR", or a calling code, like "+44"'


def is_country(code: str) -> bool:
    """Return whether this is a country (ISO, two capital letters) that has national numbers."""
    return code in SUPPORTED_REGIONS


def is_country_name(name: str) -> bool:
    """Return whether this names countries: "GB", or a calling code like "+44"."""
    return is_country(name) or bool(_of_calling_code(name))


def fault_of(names: Set[str]) -> str:
    """Return what is wrong with the names of a set of countries, "" if nothing."""
    for name in sorted(names):
        if not is_country_name(name.removeprefix("-")):
            return f"{name!r} is not a country: {ADVICE}"
    included = {name for name in names if not name.startswith("-")}
    for name in sorted(names - included):
        if name.removeprefix("-") not in expand(frozenset(included)):
            return f'{name!r} leaves out what no other name includes: name that first, like "GB", "-JE"'
    return ""


@lru_cache(maxsize=1024)
def expand(names: frozenset[str]) -> frozenset[str]:
    """Return the countries of names, with those that they stand for, without those of names with "-"."""
    wanted = {country for name in names if not name.startswith("-") for country in _countries(name)}
    # What is left out is left out alone: "-GB" leaves Jersey in.
    unwanted = {name.removeprefix("-") for name in names if name.startswith("-")}
    return frozenset(wanted - unwanted)


def expand_keys(values: Mapping[str, T]) -> dict[str, T]:
    """
    Return values by country: those of "+44" and "GB" count for Jersey too, unless there is one for "JE".

    The nearest name counts: "JE", then "GB", then "+44". Other keys, such as "*", stay.
    """
    codes = {name: value for name, value in values.items() if name.startswith("+")}
    exact = {name: value for name, value in values.items() if name not in codes}
    found = {country: value for name, value in codes.items() for country in _countries(name)}
    found |= {country: value for name, value in exact.items() for country in _countries(name)}
    return found | exact


def _countries(name: str) -> Set[str]:
    return _of_calling_code(name) or _SHARED.get(name) or {name}


def _of_calling_code(name: str) -> Set[str]:
    code = name.removeprefix("+")
    if name == code or not _CALLING_CODE.fullmatch(code):
        return frozenset()
    return SUPPORTED_REGIONS.intersection(COUNTRY_CODE_TO_REGION_CODE.get(int(code), ()))
