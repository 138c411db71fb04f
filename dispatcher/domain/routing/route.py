"""The providers of a message in order, by the table of routes and the state of the providers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from math import log
from typing import NamedTuple
from uuid import UUID

from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.messages.status import Status
from dispatcher.domain.routing.provider_state import AVAILABLE, BreakerPhase, Override, ProviderState
from dispatcher.domain.routing.route_table import (
    Preference,
    ProviderGroup,
    RouteRequest,
    RouteTable,
    join_names,
)


class RouteRefusal(NamedTuple):
    """The final status of messages that may not be sent, and the reason."""

    status: Status
    reason: str


_AFTER = {BreakerPhase.CLOSED: 0, BreakerPhase.SLOW: 1, BreakerPhase.HALF_OPEN: 2, BreakerPhase.OPEN: 3}


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """
    The route that messages with the same RouteRequest share, independent of the providers' state.

    `groups` are in order. `sender` is the one that the recipient sees.
    `refusal` is set if the messages may not be sent.
    """

    groups: tuple[ProviderGroup, ...]
    sender: str
    refusal: RouteRefusal | None
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(name for group in self.groups for name in group))

    @property
    def has_shared_groups(self) -> bool:
        """Whether messages share the providers of a group."""
        return len(self.names) > len(self.groups)


def plan_route(
    table: RouteTable, request: RouteRequest, providers: Mapping[str, ProviderConfig]
) -> RoutePlan:
    """Return the plan for messages of this kind. `providers` are in their configured order."""
    index = table.rule_for(request)
    if index is None:
        candidates: Iterable[ProviderGroup] = () if table.rules else ({name: 1.0} for name in providers)
    else:
        candidates = table.rules[index].groups
    able = [_able(group, request, providers) for group in candidates]
    if index is not None and table.rules[index].preference is Preference.CHEAPEST:
        able = [group for one in able for group in split_by_price(one, request.country, providers)]
    groups = tuple(group for group in able if group)
    sender = shown_sender(table, request)
    ended: RouteRefusal | None = None
    if not groups:
        ended = RouteRefusal(Status.NO_ROUTE, _no_route(table, index, request, providers))
    elif sender is None:
        reason = f"sender {request.sender} may not be used in {request.country}"
        ended = RouteRefusal(Status.INVALID_SENDER, reason)
    return RoutePlan(groups, sender or request.sender, ended)


def refusal(found: RoutePlan, states: Mapping[str, ProviderState]) -> RouteRefusal | None:
    """Return the final status of a message that cannot be sent, and why; None if it can, now or later."""
    if found.refusal is not None:
        return found.refusal
    for name in found.names:
        if states.get(name, AVAILABLE).override is not Override.DRAINED:
            return None
    return RouteRefusal(Status.NO_ROUTE, "all providers of its route are drained")


def rank_providers(found: RoutePlan, reference: UUID, states: Mapping[str, ProviderState]) -> tuple[str, ...]:
    """
    Return the providers for one message, the best first; none if all are drained.

    The order depends on our `reference`, so each attempt of a message has the
    same order while the states are the same.
    """
    all_work = _all_work(found.names, states)
    if all_work and not found.has_shared_groups:
        return found.names
    groups = found.groups if all_work else arrange_groups(found.groups, states)
    return tuple(name for group in groups for name in _shuffled(group, reference))


def arrange_groups(
    groups: tuple[ProviderGroup, ...], states: Mapping[str, ProviderState]
) -> tuple[ProviderGroup, ...]:
    """
    Return the groups in the order of the providers' states, split if states in a group differ.

    Drained providers are left out, pinned ones come first and paused ones
    last. The others are ordered by their breakers, unless none of these is
    closed: if all fail or are slow, there is no better one.
    """
    ranks = _ranks([name for group in groups for name in group], states)
    parts: dict[tuple[int, int], dict[str, float]] = {}
    for position, group in enumerate(groups):
        for name, weight in group.items():
            if name in ranks:
                parts.setdefault((ranks[name], position), {})[name] = weight
    return tuple(parts[key] for key in sorted(parts))


def split_by_price(
    group: ProviderGroup, country: str, providers: Mapping[str, ProviderConfig]
) -> list[ProviderGroup]:
    """Return a group split by the price of a segment to this country; providers without a price are last."""
    parts: dict[tuple[bool, Decimal], dict[str, float]] = {}
    for name, weight in group.items():
        price = price_of(providers[name], country)
        parts.setdefault((price is None, price or Decimal()), {})[name] = weight
    return [parts[key] for key in sorted(parts)]


def price_of(provider: ProviderConfig, country: str) -> Decimal | None:
    """Return a provider's price of a segment to this country; None if it is unknown."""
    return provider.prices.get(country, provider.prices.get("*"))


def exclusion_reason(provider: ProviderConfig | None, request: RouteRequest) -> str:
    """Return why a provider cannot carry a message, independent of its state; "" if it can."""
    if provider is None:
        return "it is not configured"
    if provider.takes is (Traffic.LIVE if request.is_test else Traffic.TESTS):
        return "it takes no tests" if request.is_test else "it takes tests only"
    if provider.countries and request.country not in provider.countries:
        return f"it does not serve {name_country(request.country)}"
    return ""


def name_country(country: str) -> str:
    """Return the name of a number's country in a text for people."""
    return country or "numbers without a country"


def shown_sender(table: RouteTable, request: RouteRequest) -> str | None:
    """Return the sender that the recipient sees; None if it may not be used in this country."""
    rule = table.senders.get(request.country)
    return rule.shown(request.sender) if rule and request.sender else request.sender


def _able(
    group: ProviderGroup, request: RouteRequest, providers: Mapping[str, ProviderConfig]
) -> ProviderGroup:
    return {name: w for name, w in group.items() if not exclusion_reason(providers.get(name), request)}


def _no_route(
    table: RouteTable, index: int | None, request: RouteRequest, providers: Mapping[str, ProviderConfig]
) -> str:
    """Return why a message has no route, with its country, and the reason of each provider."""
    country = name_country(request.country)
    if index is None and table.rules:
        return f"no rule of the route table is for {country}"
    if index is None:
        return f"no provider for {country}: {_exclusions(providers, request, providers) or 'there is none'}"
    named = [name for group in table.rules[index].groups for name in group]
    if not named:
        return f"rule {index + 1} sends nothing to {country}"
    return f"no provider of rule {index + 1} for {country}: {_exclusions(named, request, providers)}"


def _exclusions(names: Iterable[str], request: RouteRequest, providers: Mapping[str, ProviderConfig]) -> str:
    """Return a text like "alpha and beta: it does not serve GG; gamma: it takes tests only"."""
    by_reason: dict[str, list[str]] = {}
    for name in names:
        by_reason.setdefault(exclusion_reason(providers.get(name), request), []).append(name)
    return "; ".join(f"{join_names(found)}: {reason}" for reason, found in by_reason.items())


def _all_work(names: Iterable[str], states: Mapping[str, ProviderState]) -> bool:
    for name in names:
        one = states.get(name, AVAILABLE)
        if one.breaker is not BreakerPhase.CLOSED or one.override is not Override.NONE:
            return False
    return True


def _ranks(names: Iterable[str], states: Mapping[str, ProviderState]) -> dict[str, int]:
    """Return the rank of each provider that is not drained; equal ranks keep the order of the groups."""
    known = {name: states.get(name, AVAILABLE) for name in names}
    usable = {name: one for name, one in known.items() if one.override is not Override.DRAINED}
    automatic = [one for one in usable.values() if one.override is Override.NONE]
    any_works = any(one.breaker is BreakerPhase.CLOSED for one in automatic)
    ranks = {}
    for name, one in usable.items():
        if one.override is Override.NONE:
            ranks[name] = _AFTER[one.breaker] if any_works else 0
        else:
            ranks[name] = -1 if one.override is Override.PINNED else len(_AFTER)
    return ranks


def _shuffled(group: ProviderGroup, reference: UUID) -> Iterable[str]:
    if len(group) == 1:
        return group
    return sorted(group, key=lambda name: _random_arrival(reference, name) / group[name])


def _random_arrival(reference: UUID, name: str) -> float:
    """
    Return an exponential random number for a provider, with rate 1, derived from a hash.

    Sorted by this number divided by its weight, each provider is first as
    often as its share of the weights, and leaving out one does not change the
    order of the others (weighted sampling of Efraimidis and Spirakis, 2006).
    """
    digest = blake2b(b"%b/%b" % (reference.bytes, name.encode()), digest_size=8).digest()
    return -log((int.from_bytes(digest) + 1) / 2**64)
