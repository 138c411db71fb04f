"""What a drain does to messages that are submitted later: those whose last provider it is are refused."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.routing.provider_state import AVAILABLE, Override, ProviderState
from dispatcher.domain.routing.route_table import RouteRule, RouteTable, join_names


@dataclass(frozen=True, slots=True)
class _Countries:
    """A set of countries: these, or all but these."""

    names: Set[str]
    is_all_but: bool = False

    def both(self, other: "_Countries") -> "_Countries":
        """Return the countries that are in both sets."""
        if self.is_all_but and other.is_all_but:
            return _Countries(self.names | other.names, is_all_but=True)
        if self.is_all_but:
            return _Countries(other.names - self.names)
        if other.is_all_but:
            return _Countries(self.names - other.names)
        return _Countries(self.names & other.names)

    def without(self, names: Set[str]) -> "_Countries":
        """Return the countries that are not among the named ones."""
        return self.both(_Countries(names, is_all_but=True))

    def __bool__(self) -> bool:
        return self.is_all_but or bool(self.names)

    def __str__(self) -> str:
        if not self.is_all_but:
            return join_names(self.names)
        return "all countries" + (f" but {join_names(self.names)}" if self.names else "")


def last_way_of(
    name: str,
    table: RouteTable,
    providers: Mapping[str, ProviderConfig],
    states: Mapping[str, ProviderState],
) -> Sequence[str]:
    """
    Return the kinds of messages of which this provider is the last way, in words; none if it is drained.

    A drained provider is no way. Prefixes and other conditions of rules are
    named and not compared: part of what a rule names may be sent by an earlier one.
    """
    if _is_drained(name, states):
        return ()
    if not table.rules:
        return list(_lost(name, list(providers), RouteRule(()), providers, states))
    found: list[str] = []
    for number, rule in enumerate(table.rules):
        named = [one for group in rule.groups for one in group]
        if name in named and not any(earlier.covers(rule) for earlier in table.rules[:number]):
            lost = _lost(name, named, rule, providers, states)
            found += [f"{one} (rule {number + 1}{_conditions(rule)})" for one in lost]
    return found


def _lost(
    name: str,
    named: Iterable[str],
    rule: RouteRule,
    providers: Mapping[str, ProviderConfig],
    states: Mapping[str, ProviderState],
) -> Iterator[str]:
    """Yield the messages that only this one of the named providers takes; tests alone if they differ."""
    others = [
        providers[one] for one in named if one != name and one in providers and not _is_drained(one, states)
    ]
    wanted = _served(rule.countries).both(_served(providers[name].countries))
    taken = [traffic for traffic in (Traffic.LIVE, Traffic.TESTS) if _takes(providers[name], traffic)]
    lost = {traffic: left for traffic in taken if (left := _left(wanted, others, traffic))}
    if lost.get(Traffic.LIVE) == lost.get(Traffic.TESTS) and lost:
        yield f"messages to {lost[Traffic.LIVE]}"
        return
    for traffic, countries in lost.items():
        yield f"{'test messages' if traffic is Traffic.TESTS else 'messages'} to {countries}"


def _left(wanted: _Countries, others: Iterable[ProviderConfig], traffic: Traffic) -> _Countries:
    left = wanted
    for other in others:
        if _takes(other, traffic):
            left = left.without(other.countries) if other.countries else _Countries(frozenset())
    return left


def _served(countries: Set[str]) -> _Countries:
    return _Countries(countries) if countries else _Countries(frozenset(), is_all_but=True)


def _takes(provider: ProviderConfig, traffic: Traffic) -> bool:
    return provider.takes in {Traffic.BOTH, traffic}


def _is_drained(name: str, states: Mapping[str, ProviderState]) -> bool:
    return states.get(name, AVAILABLE).override is Override.DRAINED


def _conditions(rule: RouteRule) -> str:
    named = {key: values for key, values in rule.conditions.items() if key != "countries"}
    return "".join(f", {key} {join_names(values)}" for key, values in named.items())
