"""Checks of settings beyond their types; each returns the value that is used, or raises ValueError."""

from urllib.parse import urlsplit

from dispatcher.domain.errors import Invalid
from dispatcher.domain.hours.allowed_hours import parse_hours
from dispatcher.domain.inbound.keywords import KeywordAction, Keywords
from dispatcher.domain.numbers.countries import fault_of, is_country_name
from dispatcher.domain.tier import Tier

DEFAULT_RESENDS = {Tier.CRITICAL: 3, Tier.STANDARD: 3, Tier.BULK: 0}
"""How often a message in doubt is sent again."""


def all_tiers(value: dict[Tier, int]) -> dict[Tier, int]:
    """Return the resends of every tier; one that is left out keeps its default."""
    return DEFAULT_RESENDS | value


def check_base_url(value: str) -> str:
    """Return the URL without a slash at its end."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{value!r} is not like https://sms.example.org")
    return value.rstrip("/")


def parse_tier_hours(value: object) -> object:
    """Return the parsed hours of each tier."""
    if not isinstance(value, dict):
        return value
    return {tier: _hours_of(str(tier), hours) for tier, hours in value.items()}


def check_keywords(value: dict[KeywordAction, tuple[str, ...]]) -> dict[KeywordAction, tuple[str, ...]]:
    """Return keywords of which none asks for two things."""
    Keywords.of(value)
    return value


def check_countries(names: frozenset[str]) -> frozenset[str]:
    """Return names of countries that exist."""
    if wrong := fault_of(names):
        raise ValueError(wrong)
    return names


def check_priced(name: str) -> str:
    """Return the name of a country that exists, or "*"."""
    if name != "*" and not is_country_name(name):
        raise ValueError(
            f'{name!r} is no country: write "GB", a calling code like "+44", or "*" for all others'
        )
    return name


def _hours_of(tier: str, hours: object) -> object:
    if not isinstance(hours, dict):
        return hours
    try:
        return parse_hours(hours)
    except Invalid as error:
        raise ValueError(f"{tier}: {error}") from None
