"""What was probably meant by a name that is unknown."""

import pytest

from dispatcher.domain.hours.zones import zone_choices
from dispatcher.domain.spelling import likely_name, name_choices, unknown_name

NAMES = ("not_before", "not_after", "sender", "text", "tier", "tps", "recipients")


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        ("notBefore", "not_before"),
        ("Not-After", "not_after"),
        ("NOTBEFORE", "not_before"),
        ("recipient", "recipients"),
        ("teir", "tier"),
        ("tsp", "tps"),
        ("txt", "text"),
        ("sendr", "sender"),
        ("send_at", None),
        ("colour", None),
        ("", None),
        ("текст", None),
        ("x" * 100_000, None),
    ],
)
def test_a_name_is_recognised_whatever_its_case_and_separators(name: str, likely: str | None) -> None:
    assert likely_name(name, NAMES) == likely


def test_without_a_likely_name_all_are_listed() -> None:
    assert unknown_name("colour", ("a", "b")) == "unknown; there are a, b"
    assert unknown_name("colour", ()) == "unknown; there are none"


def test_a_few_names_are_all_listed() -> None:
    assert name_choices("SHO", []) == "there is none"
    assert name_choices("SHO", ["SHOP"]) == "there is: SHOP"
    assert name_choices("SHO", ["SHOP", "NEWS"]) == "there are: SHOP, NEWS"


def test_of_many_names_those_most_like_the_wanted_one_are_named() -> None:
    many = [f"campaign {n}" for n in range(5000)] + ["spring"]
    assert name_choices("Sprnig", many[::-1]) == "did you mean spring?"
    assert name_choices("zzz", many) == "none of the 5,001 names is like it"


def test_a_city_names_its_zone() -> None:
    assert zone_choices("Nairobi").endswith("did you mean Africa/Nairobi?")
    assert zone_choices("new york").endswith("did you mean America/New_York?")
    assert "did you mean Europe/Paris or" in zone_choices("Europe/Pariss")
