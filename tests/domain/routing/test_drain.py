"""Which messages lose their last way by a drain."""

from collections.abc import Mapping, Sequence

import pytest

from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.routing.drain import last_way_of
from dispatcher.domain.routing.provider_state import Override, ProviderState
from dispatcher.domain.routing.route_table import RouteRule, RouteTable
from dispatcher.domain.tier import Tier

DRAINED = {"b": ProviderState(override=Override.DRAINED)}
PAUSED = {"b": ProviderState(override=Override.PAUSED)}


def _provider(name: str, *countries: str, takes: Traffic = Traffic.BOTH) -> ProviderConfig:
    return ProviderConfig(name, "test", {}, countries=frozenset(countries), takes=takes)


def _rule(*names: str, countries: Sequence[str] = (), **conditions: frozenset[object]) -> RouteRule:
    return RouteRule(
        tuple({name: 1.0} for name in names),
        countries=frozenset(countries),
        **conditions,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("providers", "states", "rules", "lost"),
    [
        ([_provider("a")], {}, (), ["messages to all countries"]),
        ([_provider("a"), _provider("b")], {}, (), []),
        ([_provider("a"), _provider("b")], DRAINED, (), ["messages to all countries"]),
        ([_provider("a"), _provider("b")], PAUSED, (), []),
        ([_provider("a"), _provider("b", "KE")], {}, (), ["messages to all countries but KE"]),
        ([_provider("a", "KE", "UG"), _provider("b", "KE")], {}, (), ["messages to UG"]),
        ([_provider("a", "KE"), _provider("b", "KE")], {}, (), []),
        ([_provider("a"), _provider("b", takes=Traffic.LIVE)], {}, (), ["test messages to all countries"]),
        ([_provider("a", takes=Traffic.LIVE)], {}, (), ["messages to all countries"]),
        (
            [_provider("a"), _provider("b")],
            {},
            (_rule("a", countries=["KE"]), _rule("b", "a")),
            ["messages to KE (rule 1)"],
        ),
        (
            [_provider("a"), _provider("b")],
            {},
            (_rule("a", accounts=frozenset({"shop"}), tiers=frozenset({Tier.BULK})),),
            ["messages to all countries (rule 1, tiers bulk, accounts shop)"],
        ),
        # A rule that another one always decides before sends nothing.
        ([_provider("a"), _provider("b")], {}, (_rule("b"), _rule("a", countries=["KE"])), []),
        # A rule may name a provider that is no longer configured.
        ([_provider("a")], {}, (_rule("a", "gone"),), ["messages to all countries (rule 1)"]),
    ],
)
def test_messages_without_another_provider_lose_their_last_way(
    providers: Sequence[ProviderConfig],
    states: Mapping[str, ProviderState],
    rules: tuple[RouteRule, ...],
    lost: Sequence[str],
) -> None:
    configs = {config.name: config for config in providers}
    assert list(last_way_of("a", RouteTable(rules), configs, states)) == lost


def test_a_provider_that_is_drained_is_no_way() -> None:
    configs = {"b": _provider("b")}
    assert list(last_way_of("b", RouteTable(), configs, DRAINED)) == []
