"""Routes: which rule decides, which of its providers can serve, and in what order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.messages.status import Status
from dispatcher.domain.routing.provider_state import BreakerPhase, Override, ProviderState
from dispatcher.domain.routing.route import (
    arrange_groups,
    plan_route,
    price_of,
    rank_providers,
    refusal,
    shown_sender,
)
from dispatcher.domain.routing.route_document import read_table
from dispatcher.domain.routing.route_table import RouteRequest, RouteTable
from dispatcher.domain.tier import Tier
from dispatcher.settings import ProviderSettings

KENYAN = RouteRequest("KE", "+254712345678", Tier.STANDARD, "SHOP", "shop")
FRENCH = RouteRequest("FR", "+33612345678", Tier.STANDARD, "SHOP", "shop")
REFERENCE = UUID(int=1)
NAMES = ("alpha", "beta", "gamma")

OPEN, HALF_OPEN = ProviderState(BreakerPhase.OPEN), ProviderState(BreakerPhase.HALF_OPEN)
PAUSED, DRAINED = ProviderState(override=Override.PAUSED), ProviderState(override=Override.DRAINED)
PINNED_OPEN = ProviderState(BreakerPhase.OPEN, Override.PINNED)


def provider(
    name: str, *countries: str, takes: Traffic = Traffic.LIVE, prices: Mapping[str, str] | None = None
) -> ProviderConfig:
    decimals = {country: Decimal(price) for country, price in (prices or {}).items()}
    return ProviderConfig(
        name=name, plugin="x", options={}, countries=frozenset(countries), takes=takes, prices=decimals
    )


def configured(*providers: ProviderConfig) -> dict[str, ProviderConfig]:
    return {one.name: one for one in providers}


ALL = configured(*map(provider, NAMES))


def table(*rules: object, **senders: object) -> RouteTable:
    read, faults = read_table({"rules": list(rules), "senders": senders})
    assert faults == []
    return read


def routed(
    read: RouteTable,
    request: RouteRequest = KENYAN,
    providers: Mapping[str, ProviderConfig] = ALL,
    states: Mapping[str, ProviderState] | None = None,
    reference: UUID = REFERENCE,
) -> tuple[str, ...]:
    return rank_providers(plan_route(read, request, providers), reference, states or {})


def straight(*names: str) -> RouteTable:
    return table({"ways": [[name] for name in names]})


def test_without_a_table_the_providers_of_the_country_are_used_in_their_configured_order() -> None:
    providers = configured(provider("one", "FR"), provider("two"), provider("three", "KE", "FR"))
    assert routed(RouteTable(), KENYAN, providers) == ("two", "three")
    assert routed(RouteTable(), FRENCH, providers) == ("one", "two", "three")
    nowhere = configured(provider("one", "FR"))
    found = plan_route(RouteTable(), KENYAN, nowhere)
    assert found.refusal == (Status.NO_ROUTE, "no provider for KE: one: it does not serve KE")


def test_tests_go_to_providers_that_take_them_and_other_messages_to_the_others() -> None:
    providers = configured(
        provider("live"), provider("tests", takes=Traffic.TESTS), provider("both", takes=Traffic.BOTH)
    )
    test = KENYAN._replace(is_test=True)
    assert routed(RouteTable(), KENYAN, providers) == ("live", "both")
    assert routed(RouteTable(), test, providers) == ("tests", "both")
    named = table({"ways": [["live"]]})
    assert plan_route(named, test, providers).refusal == (
        Status.NO_ROUTE,
        "no provider of rule 1 for KE: live: it takes no tests",
    )


@pytest.mark.parametrize(
    ("condition", "fits", "differs"),
    [
        ({"countries": ["KE", "UG"]}, KENYAN, FRENCH),
        ({"prefixes": ["+25471", "+25472"]}, KENYAN, KENYAN._replace(number="+254733123456")),
        ({"tiers": ["standard"]}, KENYAN, KENYAN._replace(tier=Tier.BULK)),
        ({"senders": ["SHOP"]}, KENYAN, KENYAN._replace(sender="NEWS")),
        ({"accounts": ["shop"]}, KENYAN, KENYAN._replace(account="bank")),
        ({"accounts": ["shop"]}, KENYAN, KENYAN._replace(account="")),
        ({"countries": ["KE"]}, KENYAN, KENYAN._replace(country="")),
        ({"countries": ["KE"], "tiers": ["standard"]}, KENYAN, KENYAN._replace(tier=Tier.BULK)),
    ],
)
def test_a_rule_decides_if_all_its_conditions_are_met(
    condition: dict[str, object], fits: RouteRequest, differs: RouteRequest
) -> None:
    read = table({**condition, "ways": [["alpha"]]}, {"ways": [["beta"]]})
    assert (routed(read, fits), routed(read, differs)) == (("alpha",), ("beta",))


def test_the_first_matching_rule_decides_even_if_a_later_one_is_more_specific() -> None:
    read = table(
        {"prefixes": ["+2547"], "ways": [["alpha"]]}, {"prefixes": ["+25471234"], "ways": [["beta"]]}
    )
    assert routed(read) == ("alpha",)


def test_without_groups_or_a_matching_rule_there_is_no_route() -> None:
    read = table({"countries": ["KE"], "ways": []}, {"countries": ["UG"], "ways": [["alpha"]]})
    assert plan_route(read, KENYAN, ALL).refusal == (Status.NO_ROUTE, "rule 1 sends nothing to KE")
    assert plan_route(read, FRENCH, ALL).refusal == (Status.NO_ROUTE, "no rule of the route table is for FR")


def test_a_provider_of_a_rule_that_cannot_serve_is_left_out() -> None:
    providers = configured(provider("alpha", "FR"), provider("beta"))
    read = table({"ways": [["alpha", "beta"], ["removed"]]})
    assert routed(read, KENYAN, providers) == ("beta",)
    only = table({"ways": [["alpha"]]})
    reason = plan_route(only, KENYAN, providers).refusal
    assert reason == (Status.NO_ROUTE, "no provider of rule 1 for KE: alpha: it does not serve KE")


def test_groups_are_used_in_order_each_with_all_its_providers() -> None:
    read = table({"ways": [{"alpha": 1, "beta": 1}, ["gamma"]]})
    orders = {routed(read, reference=UUID(int=n)) for n in range(40)}
    assert orders == {("alpha", "beta", "gamma"), ("beta", "alpha", "gamma")}


@pytest.mark.parametrize("weights", [{"alpha": 3, "beta": 1}, {"alpha": 1, "beta": 1, "gamma": 8}])
def test_messages_are_shared_by_weight(weights: dict[str, float]) -> None:
    found = plan_route(table({"ways": [weights]}), KENYAN, ALL)
    count = 20_000
    first = Counter(rank_providers(found, UUID(int=n), {})[0] for n in range(count))
    for name, weight in weights.items():
        share = weight / sum(weights.values())
        assert first[name] / count == pytest.approx(share, abs=0.015)  # over four standard deviations


def test_the_second_provider_is_chosen_by_weight_too() -> None:
    found = plan_route(table({"ways": [{"alpha": 2, "beta": 3, "gamma": 1}]}), KENYAN, ALL)
    orders = [rank_providers(found, UUID(int=n), {}) for n in range(20_000)]
    after_alpha = Counter(names[1] for names in orders if names[0] == "alpha")
    assert after_alpha["beta"] / after_alpha.total() == pytest.approx(3 / 4, abs=0.025)


weights = st.dictionaries(
    st.sampled_from(NAMES), st.floats(1e-6, 1e6, allow_nan=False), min_size=1, max_size=3
)
states = st.dictionaries(
    st.sampled_from(NAMES), st.builds(ProviderState, st.sampled_from(BreakerPhase), st.sampled_from(Override))
)


@given(weights, st.uuids())
def test_a_message_always_has_the_same_order(group: dict[str, float], reference: UUID) -> None:
    read = table({"ways": [group]})
    again = table({"ways": [dict(reversed(group.items()))]})
    assert routed(read, reference=reference) == routed(again, reference=reference)


@given(weights, st.uuids(), st.sampled_from(NAMES))
def test_leaving_out_a_provider_does_not_change_the_order_of_the_others(
    group: dict[str, float], reference: UUID, left_out: str
) -> None:
    whole = routed(table({"ways": [group]}), reference=reference)
    without = routed(table({"ways": [group]}), states={left_out: DRAINED}, reference=reference)
    assert without == tuple(name for name in whole if name != left_out)


@given(st.lists(weights, min_size=1, max_size=1), st.uuids(), states)
def test_states_only_reorder_providers_that_are_not_drained(
    groups: Sequence[dict[str, float]], reference: UUID, known: dict[str, ProviderState]
) -> None:
    found = plan_route(table({"ways": groups}), KENYAN, ALL)
    names = rank_providers(found, reference, known)
    kept = {n for n in found.names if known.get(n, ProviderState()).override is not Override.DRAINED}
    assert set(names) == kept
    assert len(names) == len(kept)
    assert (refusal(found, known) is not None) == (not kept)


def test_the_cheapest_provider_is_first_and_one_without_a_price_last() -> None:
    providers = configured(
        provider("alpha", prices={"KE": "0.010", "*": "0.001"}),
        provider("beta", prices={"*": "0.005"}),
        provider("gamma"),
    )
    read = table({"ways": [["gamma", "alpha", "beta"]], "order": "cheapest"})
    assert routed(read, KENYAN, providers) == ("beta", "alpha", "gamma")
    assert routed(read, FRENCH, providers) == ("alpha", "beta", "gamma")


def test_equal_prices_are_shared_by_weight() -> None:
    price = {"KE": "0.01"}
    providers = configured(provider("alpha", prices=price), provider("beta", prices=price), provider("gamma"))
    found = plan_route(
        table({"ways": [{"alpha": 3, "beta": 1, "gamma": 9}], "order": "cheapest"}), KENYAN, providers
    )
    assert found.groups == ({"alpha": 3, "beta": 1}, {"gamma": 9})


def test_prices_count_within_a_group_only() -> None:
    providers = configured(provider("alpha", prices={"*": "1"}), provider("beta", prices={"*": "0"}))
    read = table({"ways": [["alpha"], ["beta"]], "order": "cheapest"})
    assert routed(read, KENYAN, providers) == ("alpha", "beta")


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, NAMES),
        ({"alpha": OPEN}, ("beta", "gamma", "alpha")),
        ({"alpha": HALF_OPEN}, ("beta", "gamma", "alpha")),
        ({"alpha": OPEN, "beta": HALF_OPEN}, ("gamma", "beta", "alpha")),
        ({"alpha": PAUSED}, ("beta", "gamma", "alpha")),
        ({"alpha": PAUSED, "beta": OPEN}, ("gamma", "beta", "alpha")),
        ({"alpha": DRAINED}, ("beta", "gamma")),
        ({"gamma": PINNED_OPEN}, ("gamma", "alpha", "beta")),
        ({"gamma": PINNED_OPEN, "alpha": OPEN}, ("gamma", "beta", "alpha")),
        (dict.fromkeys(NAMES, OPEN), NAMES),
        ({"alpha": OPEN, "beta": HALF_OPEN, "gamma": OPEN}, NAMES),
        ({"alpha": PAUSED, "beta": OPEN, "gamma": OPEN}, ("beta", "gamma", "alpha")),
        ({"alpha": OPEN, "beta": OPEN, "gamma": PINNED_OPEN}, ("gamma", "alpha", "beta")),
        (dict.fromkeys(NAMES, PAUSED), NAMES),
        (dict.fromkeys(NAMES, DRAINED), ()),
        ({"elsewhere": OPEN}, NAMES),
    ],
)
def test_states_reorder_providers_unless_all_fail(
    known: dict[str, ProviderState], expected: tuple[str, ...]
) -> None:
    assert routed(straight(*NAMES), states=known) == expected


def test_a_broken_provider_comes_after_those_of_later_groups() -> None:
    groups = ({"alpha": 3.0, "beta": 1.0}, {"gamma": 1.0})
    assert arrange_groups(groups, {"alpha": OPEN}) == ({"beta": 1.0}, {"gamma": 1.0}, {"alpha": 3.0})


def test_a_route_whose_providers_are_all_drained_is_no_route() -> None:
    found = plan_route(straight("alpha", "beta"), KENYAN, ALL)
    assert refusal(found, {"alpha": DRAINED, "beta": PAUSED}) is None
    drained = refusal(found, {"alpha": DRAINED, "beta": DRAINED})
    assert drained == (Status.NO_ROUTE, "all providers of its route are drained")


def test_a_sender_that_a_country_forbids_is_replaced_or_ends_the_message() -> None:
    strict = {"alphanumeric": "forbidden"}
    read = table(KE={**strict, "replace_with": "20880"}, FR=strict)
    assert (plan_route(read, KENYAN, ALL).sender, plan_route(read, KENYAN, ALL).refusal) == ("20880", None)
    ended = plan_route(read, FRENCH, ALL).refusal
    assert ended == (Status.INVALID_SENDER, "sender SHOP may not be used in FR")
    assert plan_route(read, KENYAN._replace(country="UG"), ALL).sender == "SHOP"


def test_no_route_is_reported_before_a_forbidden_sender() -> None:
    read = table({"countries": ["FR"], "ways": []}, FR={"alphanumeric": "forbidden"})
    found = plan_route(read, FRENCH, ALL).refusal
    assert found is not None
    assert found[0] is Status.NO_ROUTE


@given(st.permutations(NAMES))
def test_a_route_of_single_providers_keeps_its_order(names: list[str]) -> None:
    assert routed(straight(*names)) == tuple(names)


@pytest.mark.parametrize("country", ["GB", "GG", "JE", "IM"])
def test_a_provider_for_gb_serves_all_of_its_calling_code_at_its_price(country: str) -> None:
    settings = ProviderSettings(
        name="british",
        plugin="http",
        countries=frozenset({"GB"}),
        prices={"GB": Decimal("0.03"), "*": Decimal(1)},
    )
    british = settings.config()
    request = KENYAN._replace(country=country, number="+44")
    assert plan_route(RouteTable(), request, {"british": british}).names == ("british",)
    assert price_of(british, country) == Decimal("0.03")
    rules = table({"countries": ["GB"], "ways": [["british"]]})
    assert plan_route(rules, request, {"british": british}).names == ("british",)


def test_a_provider_for_us_serves_neither_canada_nor_the_caribbean() -> None:
    american = ProviderSettings(name="american", plugin="http", countries=frozenset({"US"})).config()
    for country in ("CA", "JM", "PR"):
        found = plan_route(RouteTable(), KENYAN._replace(country=country), {"american": american})
        reason = f"no provider for {country}: american: it does not serve {country}"
        assert found.refusal == (Status.NO_ROUTE, reason)


def test_an_unknown_country_in_a_providers_settings_is_refused() -> None:
    with pytest.raises(ValueError, match="'UK' is not a country"):
        ProviderSettings(name="x", plugin="http", countries=frozenset({"UK"}))
    with pytest.raises(ValueError, match="'UK' is no country"):
        ProviderSettings(name="x", plugin="http", prices={"UK": Decimal(1)})


def test_the_rule_for_senders_of_a_country_holds_for_those_that_it_stands_for() -> None:
    senders = {"GB": {"alphanumeric": "forbidden"}, "JE": {"alphanumeric": "allowed"}}
    read, faults = read_table({"rules": [{"ways": [["alpha"]]}], "senders": senders})
    assert faults == []
    assert shown_sender(read, KENYAN._replace(country="GG")) is None
    assert shown_sender(read, KENYAN._replace(country="JE")) == KENYAN.sender
