"""An error about an unknown name says which names there are."""

from dispatcher.domain.choices import name_choices
from dispatcher.domain.hours.zones import zone_choices


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
