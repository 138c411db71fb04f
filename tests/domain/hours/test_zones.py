"""Zones by name and by number."""

import phonenumbers
import pytest

from dispatcher.domain.errors import Invalid
from dispatcher.domain.hours.zones import (
    _names_by_country,
    _zones_by_calling_code,
    _zones_from_number,
    parse_zone,
    zones_of,
)


def _names(number: str) -> set[str]:
    return {zone.key for zone in zones_of(number)}


def test_a_number_of_a_country_with_one_zone_is_in_it() -> None:
    assert _names("+254712345678") == {"Africa/Nairobi"}
    assert _names("+33612345678") == {"Europe/Paris"}


def test_a_number_of_a_country_with_several_zones_may_be_in_any_of_them() -> None:
    assert {"America/New_York", "America/Los_Angeles", "Pacific/Honolulu"} <= _names("+18005550123")
    assert {"Europe/Kaliningrad", "Asia/Kamchatka"} <= _names("+79161234567")


def test_countries_with_a_shared_calling_code_are_distinguished_by_the_number() -> None:
    assert _names("+16715551234") == {"Pacific/Guam"}
    assert "Asia/Almaty" in _names("+77012345678")


def test_a_number_with_an_area_code_is_in_that_area() -> None:
    assert _names("+12125550123") == {"America/New_York"}
    assert _names("+5511999999999") == {"America/Sao_Paulo"}


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+6281234567890", {"Asia/Jakarta", "Asia/Pontianak", "Asia/Makassar", "Asia/Jayapura"}),
        ("+8613123456789", {"Asia/Shanghai", "Asia/Urumqi"}),
        ("+56961234567", {"America/Santiago", "Pacific/Easter"}),
        ("+61412345678", {"Australia/Sydney", "Australia/Perth"}),
        ("+243991234567", {"Africa/Kinshasa", "Africa/Lubumbashi"}),
        ("+77710009998", {"Asia/Almaty", "Asia/Aqtau"}),
        ("+97688123456", {"Asia/Ulaanbaatar", "Asia/Hovd"}),
        ("+351912345678", {"Europe/Lisbon", "Atlantic/Azores"}),
    ],
)
def test_a_mobile_number_may_be_in_any_zone_of_its_country(number: str, zones: set[str]) -> None:
    assert zones <= _names(number)


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_the_mobile_example_of_every_country_is_in_all_its_zones_unless_it_has_an_area_code(
    region: str,
) -> None:
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    if example is None or region in {"AR", "BR"}:
        return
    if phonenumbers.number_type(example) != phonenumbers.PhoneNumberType.MOBILE:
        return  # its mobiles and fixed lines share area codes, as in the US and MX
    number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    country = phonenumbers.region_code_for_number(example)  # AX shares ranges with FI
    assert country is not None
    assert _names(number) >= set(_names_by_country()[country]), region


@pytest.mark.parametrize(
    ("number", "zone"),
    [
        ("+62218350123", "Asia/Jakarta"),
        ("+62911234567", "Asia/Jayapura"),
        ("+522221234567", "America/Mexico_City"),
        ("+5568999999999", "America/Rio_Branco"),
    ],
)
def test_a_fixed_line_or_a_mobile_with_an_area_code_is_in_that_area(number: str, zone: str) -> None:
    assert _names(number) == {zone}


def test_an_unknown_number_with_a_shared_calling_code_counts_as_one_of_the_largest_country() -> None:
    assert zones_of("+19995550123") is zones_of("+18005550123")


@pytest.mark.parametrize("number", ["+88213500001", "+999123456", "+0", "+", "", "nonsense"])
def test_a_number_without_a_country_is_in_utc(number: str) -> None:
    assert _names(number) == {"UTC"}


def test_numbers_of_one_area_share_one_tuple() -> None:
    assert zones_of("+12125550123") is zones_of("+16465550123")


def test_every_country_that_has_numbers_has_zones() -> None:
    for region in phonenumbers.SUPPORTED_REGIONS:
        example = phonenumbers.example_number(region)
        assert example is not None
        number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        assert _names(number) != {"UTC"}, region


def test_a_zone_is_found_by_its_name() -> None:
    assert parse_zone("Europe/Paris").key == "Europe/Paris"


@pytest.mark.parametrize(
    "name", ["", "Paris", "Europe", "../../etc/passwd", "/etc/passwd", "Europe/Paris\0", "+02:00"]
)
def test_an_unknown_zone_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(Invalid, match=r'is not a time zone; write one like "Europe/Paris"'):
        parse_zone(name)


def test_a_calling_code_with_one_zone_has_it_whatever_follows() -> None:
    """The short cut must give the same result as parsing the number."""
    short = _zones_by_calling_code()
    assert {"+254", "+33"} <= short.keys()
    for code, zones in short.items():
        for rest in ("1234567", "0612345678", "712345678", "99999999", "800123456"):
            assert _zones_from_number(code + rest) == zones, code + rest


@pytest.mark.parametrize("code", ["+1", "+7", "+44", "+49", "+61", "+39"])
def test_a_calling_code_with_several_zones_or_countries_has_no_single_zone(code: str) -> None:
    assert code not in _zones_by_calling_code()
