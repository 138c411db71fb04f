"""The choice of a route, explained step by step."""

from decimal import Decimal

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.domain.routing.provider_state import BreakerPhase, Override, ProviderState
from dispatcher.domain.routing.route_document import read_table
from dispatcher.domain.routing.route_steps import explain_route
from dispatcher.domain.routing.route_table import RouteRequest, RouteTable
from dispatcher.domain.tier import Tier

REQUEST = RouteRequest("FR", "+33612345678", Tier.BULK, "SHOP", "shop")
PROVIDERS = {
    name: ProviderConfig(name=name, plugin="x", options={}, countries=frozenset(countries), prices=prices)
    for name, countries, prices in (
        ("alpha", (), {"*": Decimal("0.02")}),
        ("beta", (), {"FR": Decimal("0.015")}),
        ("gamma", ("KE",), {}),
        ("delta", (), {}),
    )
}
OPEN = ProviderState(BreakerPhase.OPEN)


def explained(
    document: object, request: RouteRequest = REQUEST, states: dict[str, ProviderState] | None = None
) -> list[tuple[str, str]]:
    read, faults = read_table(document)
    assert faults == []
    return [(step.about, step.found) for step in explain_route(read, request, PROVIDERS, states or {})]


def test_each_step_of_a_choice_is_explained() -> None:
    document = {
        "rules": [
            {"tiers": ["critical"], "ways": [["delta"]]},
            {"prefixes": ["+2547"], "ways": [["gamma"]]},
            {"countries": ["FR"], "ways": [{"alpha": 3, "beta": 1}, ["gamma"], ["delta"]]},
            {"ways": []},
        ],
        "senders": {"FR": {"alphanumeric": "forbidden", "replace_with": "38080"}},
    }
    assert explained(document) == [
        ("country", "FR"),
        ("rule 1", "no, it is for the tiers critical"),
        ("rule 2", "no, it is for the prefixes +2547"),
        ("rule 3", "yes, it is for countries FR"),
        ("gamma", "left out, it does not serve FR"),
        ("group 1", "alpha 75 % or beta 25 %"),
        ("group 2", "delta"),
        ("sender", "SHOP may not be used in FR: 38080 is shown instead"),
        ("route", "alpha 75 % or beta 25 %, then delta"),
    ]


def test_prices_are_shown_if_they_decide() -> None:
    document = {"rules": [{"ways": [["alpha", "beta", "delta"]], "order": "cheapest"}]}
    assert explained(document)[2:] == [
        ("group 1", "beta, 0.015 a segment"),
        ("group 2", "alpha, 0.02 a segment"),
        ("group 3", "delta, without a price"),
        ("sender", "SHOP"),
        ("route", "beta, then alpha, then delta"),
    ]


def test_states_that_move_a_provider_are_shown() -> None:
    states = {
        "alpha": OPEN,
        "beta": ProviderState(override=Override.PAUSED),
        "delta": ProviderState(override=Override.PINNED),
    }
    document = {"rules": [{"ways": [["alpha"], ["beta"], ["delta"]]}]}
    assert explained(document, states=states)[-5:] == [
        ("alpha", "its breaker is open, but no other provider works: the order stays"),
        ("beta", "paused: it is the last"),
        ("delta", "pinned: it is the first"),
        ("sender", "SHOP"),
        ("route", "delta, then alpha, then beta"),
    ]
    assert explained(document, states={"alpha": OPEN})[-3:] == [
        ("alpha", "its breaker is open: it comes after those that work"),
        ("sender", "SHOP"),
        ("route", "beta, then delta, then alpha"),
    ]


def test_a_message_without_a_route_has_its_status() -> None:
    nowhere = {"rules": [{"countries": ["FR"], "ways": []}]}
    assert explained(nowhere)[-1] == ("route", "none: status 28, rule 1 sends nothing to FR")
    strict = {"senders": {"FR": {"alphanumeric": "forbidden"}}}
    assert explained(strict)[-2:] == [
        ("sender", "SHOP may not be used in FR"),
        ("route", "none: status 24, sender SHOP may not be used in FR"),
    ]


def test_without_rules_the_steps_say_so() -> None:
    unknown = REQUEST._replace(country="", sender="")
    assert [tuple(step) for step in explain_route(RouteTable(), unknown, PROVIDERS, {})] == [
        ("country", "none: the number does not show it"),
        ("rules", "there are none: the providers that serve the country, in their configured order"),
        ("gamma", "left out, it does not serve numbers without a country"),
        ("group 1", "alpha"),
        ("group 2", "beta"),
        ("group 3", "delta"),
        ("sender", "none is given"),
        ("route", "alpha, then beta, then delta"),
    ]
