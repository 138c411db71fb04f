"""The document of a table of routes: reading, faults by field, and warnings."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.routing.route_document import MAX_RULES, read_table, unknown_names, warnings
from dispatcher.domain.routing.route_table import Preference, RouteRule, RouteTable
from dispatcher.domain.routing.sender_rule import Alphanumeric, SenderRule
from dispatcher.domain.tier import Tier

FULL = """
{"rules": [
   {"countries": ["FR", "BE"], "tiers": ["critical"], "ways": [["fast"], {"alpha": 3, "beta": 1.5}]},
   {"prefixes": ["+2547"], "senders": ["SHOP"], "accounts": ["shop"],
    "ways": [["alpha", "beta"]], "order": "cheapest"},
   {"countries": ["CU"], "ways": []},
   {"ways": [["alpha"]]}],
 "senders": {"US": {"alphanumeric": "forbidden", "replace_with": "+12025550123"},
             "KE": {"alphanumeric": "registered", "registered": ["SHOP"]}}}
"""


def faults(document: object) -> dict[str, str]:
    _, found = read_table(document)
    return {fault.field: fault.sentence for fault in found}


def table(*rules: Any) -> RouteTable:
    read, found = read_table({"rules": list(rules)})
    assert found == []
    return read


def provider(name: str, *countries: str, takes: Traffic = Traffic.LIVE) -> ProviderConfig:
    return ProviderConfig(name=name, plugin="x", options={}, countries=frozenset(countries), takes=takes)


ALL = {name: provider(name) for name in ("alpha", "beta")}


def test_a_table_is_read_as_it_is_written() -> None:
    read, found = read_table(json.loads(FULL))
    assert found == []
    assert read == RouteTable(
        (
            RouteRule(
                groups=({"fast": 1}, {"alpha": 3, "beta": 1.5}),
                countries=frozenset({"FR", "BE"}),
                tiers=frozenset({Tier.CRITICAL}),
            ),
            RouteRule(
                groups=({"alpha": 1, "beta": 1},),
                preference=Preference.CHEAPEST,
                prefixes=("+2547",),
                senders=frozenset({"SHOP"}),
                accounts=frozenset({"shop"}),
            ),
            RouteRule(groups=(), countries=frozenset({"CU"})),
            RouteRule(groups=({"alpha": 1},)),
        ),
        {
            "US": SenderRule(Alphanumeric.FORBIDDEN, replace_with="+12025550123"),
            "KE": SenderRule(Alphanumeric.REGISTERED, frozenset({"SHOP"})),
        },
    )
    assert read.reach == len("+2547")


def test_an_empty_table_has_no_rules() -> None:
    assert read_table({}) == (RouteTable(), [])


@pytest.mark.parametrize(
    ("rule", "field", "message"),
    [
        ("alpha", "rule 1", "must be an object with ways, order, countries"),
        ({}, "rule 1, ways", "is missing; write [] for no route"),
        ({"ways": "alpha"}, "rule 1, ways", "must be a list"),
        ({"ways": ["alpha"]}, "rule 1, group 1", "must name providers"),
        ({"ways": [["alpha"], []]}, "rule 1, group 2", "must name providers"),
        ({"ways": [[1]]}, "rule 1, group 1", "must name providers"),
        ({"ways": [["alpha", "alpha"]]}, "rule 1, group 1", "names a provider twice"),
        ({"ways": [["alpha"], ["alpha"]]}, "rule 1, ways", "provider 'alpha' is named twice"),
        ({"ways": [{"alpha": 0}]}, "rule 1, group 1, 'alpha'", "0 is not a weight: write a number above 0"),
        ({"ways": [{"alpha": -1}]}, "rule 1, group 1, 'alpha'", "-1 is not a weight"),
        ({"ways": [{"alpha": "3"}]}, "rule 1, group 1, 'alpha'", "'3' is not a weight"),
        ({"ways": [{"alpha": True}]}, "rule 1, group 1, 'alpha'", "True is not a weight"),
        ({"ways": [{"alpha": 10**400}]}, "rule 1, group 1, 'alpha'", "at most 1,000,000"),
        ({"ways": [{"alpha": float("nan")}]}, "rule 1, group 1, 'alpha'", "nan is not a weight"),
        (
            {"ways": [], "order": "best"},
            "rule 1, order",
            "'best' is unknown; write one of weighted, cheapest",
        ),
        ({"ways": [], "prefix": ["+254"]}, "rule 1", "'prefix' is unknown; did you mean prefixes?"),
        ({"ways": [], "weight": 1}, "rule 1", "'weight' is unknown; there are ways, order, countries"),
        ({"ways": [], "countries": "FR"}, "rule 1, countries", "must be a list"),
        ({"ways": [], "countries": []}, "rule 1, countries", "is empty"),
        ({"ways": [], "countries": ["fr"]}, "rule 1, countries", "'fr' is not a country: write two capital"),
        ({"ways": [], "countries": ["XX"]}, "rule 1, countries", "'XX' is not a country"),
        ({"ways": [], "countries": [33]}, "rule 1, countries", "33 is not a country"),
        ({"ways": [], "prefixes": ["33"]}, "rule 1, prefixes", "'33' is not a prefix: write + and up to 15"),
        ({"ways": [], "tiers": ["urgent"]}, "rule 1, tiers", "'urgent' is not a tier; there are critical"),
        ({"ways": [], "senders": ["A\x00"]}, "rule 1, senders", "is not a sender's name"),
        ({"ways": [], "accounts": ["\ud800"]}, "rule 1, accounts", "is not an account's name"),
    ],
)
def test_a_fault_of_a_rule_has_its_field(rule: object, field: str, message: str) -> None:
    found = faults({"rules": [rule]})
    assert list(found) == [field]
    assert message in found[field]


@pytest.mark.parametrize(
    ("country", "rule", "field", "message"),
    [
        ("usa", {"alphanumeric": "allowed"}, "senders, 'usa'", "'usa' is not a country"),
        ("US", {}, "senders, 'US', alphanumeric", "is missing; write one of allowed, forbidden, registered"),
        ("US", {"alphanumeric": "no"}, "senders, 'US', alphanumeric", "'no' is unknown"),
        ("US", {"alphanumeric": "registered"}, "senders, 'US', registered", "is empty"),
        (
            "US",
            {"alphanumeric": "forbidden", "registered": ["A"]},
            "senders, 'US', registered",
            'only with "alphanumeric": "registered"',
        ),
        (
            "US",
            {"alphanumeric": "forbidden", "replace_with": "SHOP"},
            "senders, 'US', replace_with",
            "'SHOP'",
        ),
        ("US", {"alphanumeric": "allowed", "replace": "1"}, "senders, 'US'", "'replace' is unknown"),
    ],
)
def test_a_fault_of_a_sender_rule_has_its_field(country: str, rule: object, field: str, message: str) -> None:
    found = faults({"senders": {country: rule}})
    assert list(found) == [field]
    assert message in found[field]


def test_all_faults_are_reported_together() -> None:
    document = {
        "rules": [{"ways": [{"alpha": 0}]}, {"ways": [["alpha"]], "tiers": ["urgent"]}],
        "senders": {"US": {}},
        "extra": 1,
    }
    assert list(faults(document)) == [
        "table",
        "rule 1, group 1, 'alpha'",
        "rule 2, tiers",
        "senders, 'US', alphanumeric",
    ]


def test_a_table_has_a_maximum_number_of_rules() -> None:
    rule = {"ways": [["alpha"]]}
    assert faults({"rules": [rule] * MAX_RULES}) == {}
    assert "at most 1,000" in faults({"rules": [rule] * (MAX_RULES + 1)})["rules"]


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["rules", "ways", "senders", "countries", "order", "alphanumeric", "KE"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_document_is_read_or_refused(document: object) -> None:
    read, found = read_table(document)
    assert isinstance(read, RouteTable)
    if not isinstance(document, dict):
        assert found
    elif not found:
        assert document.keys() <= {"rules", "senders"}


def test_unknown_providers_and_accounts_are_faults() -> None:
    read = table({"accounts": ["shop", "bank"], "ways": [["alpha"], ["zeta"]]}, {"ways": [{"omega": 1}]})
    found = [
        str(one.field) + ": " + one.sentence for one in unknown_names(read, providers=ALL, accounts={"shop"})
    ]
    assert found == [
        "rule 1, ways: there is no provider 'zeta'; there are: alpha, beta",
        "rule 1, accounts: there is no account 'bank'",
        "rule 2, ways: there is no provider 'omega'; there are: alpha, beta",
    ]
    assert unknown_names(table({"ways": [["alpha"]]}), providers=ALL, accounts=()) == []


CATCH_ALL = {"ways": [["alpha"]]}


@pytest.mark.parametrize(
    ("first", "second", "is_reached"),
    [
        (CATCH_ALL, {"countries": ["FR"]}, False),
        (CATCH_ALL, {}, False),
        ({"countries": ["FR", "BE"]}, {"countries": ["FR"], "tiers": ["bulk"]}, False),
        ({"countries": ["FR"]}, {"countries": ["FR", "BE"]}, True),
        ({"countries": ["FR"]}, {}, True),
        ({"prefixes": ["+336", "+337"]}, {"prefixes": ["+33612"]}, False),
        ({"prefixes": ["+33612"]}, {"prefixes": ["+336"]}, True),
        ({"prefixes": ["+336"]}, {"countries": ["FR"]}, True),
        ({"accounts": ["shop"]}, {"accounts": ["shop"], "senders": ["A"]}, False),
        ({"tiers": ["bulk"]}, {"tiers": ["standard"]}, True),
    ],
)
def test_a_rule_that_is_never_reached_has_a_warning(
    first: dict[str, object], second: dict[str, object], is_reached: bool
) -> None:
    ways = {"ways": [["alpha"]]}
    found = warnings(table({**ways, **first}, {**ways, **second}, ways), ALL)
    assert ("rule 2 is never reached: rule 1 matches all its messages" in found) == (not is_reached)


def test_messages_without_a_rule_have_a_warning() -> None:
    found = warnings(table({"countries": ["FR"], "ways": [["alpha"]]}), ALL)
    assert found == ["no rule matches all messages: those that match none end as 28"]
    assert warnings(table(CATCH_ALL), ALL) == []
    assert warnings(RouteTable(), ALL) == []


def test_providers_that_cannot_serve_a_rule_have_a_warning() -> None:
    providers = {"alpha": provider("alpha", "KE"), "beta": provider("beta", takes=Traffic.TESTS)}
    found = warnings(table({"countries": ["FR", "KE"], "ways": [["alpha"]]}, {"ways": [["beta"]]}), providers)
    assert found == [
        "rule 1: provider alpha does not serve FR",
        "rule 2 has providers for tests only: other messages that match it end as 28",
    ]
