"""The countries that a name stands for."""

import phonenumbers
import pytest

from dispatcher.domain.numbers.countries import expand, expand_keys, fault_of, is_country_name


@pytest.mark.parametrize(
    ("names", "countries"),
    [
        ({"KE"}, {"KE"}),
        ({"GB"}, {"GB", "GG", "IM", "JE"}),
        ({"JE"}, {"JE"}),
        ({"GB", "-JE"}, {"GB", "GG", "IM"}),
        ({"GB", "-GG", "-IM", "-JE"}, {"GB"}),
        ({"+44"}, {"GB", "GG", "IM", "JE"}),
        ({"+44", "-GB"}, {"GG", "IM", "JE"}),
        ({"NO", "FI", "IT"}, {"NO", "SJ", "FI", "AX", "IT", "VA"}),
        ({"AU"}, {"AU", "CC", "CX"}),
        ({"MA", "RE", "GP"}, {"MA", "EH", "RE", "YT", "GP", "BL", "MF"}),
        ({"US"}, {"US"}),
        ({"RU"}, {"RU"}),
        ({"+7"}, {"RU", "KZ"}),
        ({"KZ", "CA"}, {"KZ", "CA"}),
        (set(), set()),
    ],
)
def test_a_country_stands_for_all_of_its_calling_code_but_for_1_and_7(
    names: set[str], countries: set[str]
) -> None:
    assert fault_of(names) == ""
    assert expand(frozenset(names)) == countries


def test_plus_one_is_all_of_north_america_and_the_caribbean() -> None:
    found = expand(frozenset({"+1"}))
    assert {"US", "CA", "JM", "PR", "DO"} <= found
    assert {phonenumbers.country_code_for_region(country) for country in found} == {1}


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ({"UK"}, "'UK' is not a country: write two capital letters, like \"FR\", or a calling code"),
        ({"gb"}, "'gb' is not a country"),
        ({"+999"}, "'+999' is not a country"),
        ({"+4478"}, "'+4478' is not a country"),
        ({"+044"}, "'+044' is not a country"),
        ({"44"}, "'44' is not a country"),
        ({"+870"}, "'+870' is not a country"),
        ({"-UK", "GB"}, "'-UK' is not a country"),
        ({"-JE"}, "'-JE' leaves out what no other name includes"),
        ({"FR", "-JE"}, "'-JE' leaves out what no other name includes"),
    ],
)
def test_a_wrong_name_is_refused_with_what_to_write(names: set[str], text: str) -> None:
    assert fault_of(names).startswith(text)


def test_the_nearest_name_has_the_value() -> None:
    found = expand_keys({"+44": 1, "GB": 2, "JE": 3, "+1": 4, "CA": 5, "*": 6})
    assert {name: found[name] for name in ("GB", "GG", "JE", "US", "CA", "JM", "*")} == {
        "GB": 2, "GG": 2, "JE": 3, "US": 4, "CA": 5, "JM": 4, "*": 6,
    }  # fmt: skip
    assert not any(name.startswith("+") for name in found)
    assert is_country_name("+44")
