"""Which providers may carry a message, in order: a pure function of what is known of both."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from math import log
from uuid import UUID

from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.messages.status import Status
from dispatcher.domain.routing.provider_state import AVAILABLE, Breaker, Override, ProviderState
from dispatcher.domain.routing.route_table import Preference, ProviderGroup, RouteRequest, RouteTable

RouteRefusal = tuple[Status, str]
"""The final status of a message that may not be sent, and why."""

_AFTER = {Breaker.CLOSED: 0, Breaker.SLOW: 1, Breaker.HALF_OPEN: 2, Breaker.OPEN: 3}


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """
    The route that messages with the same question share, whatever the providers' state.

    `groups` are in order. `sender` is the one that the recipient sees.
    `refusal` is set if the message may not be sent.
    """

    groups: tuple[ProviderGroup, ...]
    sender: str
    refusal: RouteRefusal | None
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(name for group in self.groups for name in group))

    @property
    def is_drawn(self) -> bool:
        """Whether messages share the providers of a group."""
        return len(self.names) > len(self.groups)


def plan_route(table: RouteTable, asked: RouteRequest, providers: Mapping[str, ProviderConfig]) -> RoutePlan:
    """Return the plan by the rule for a message. `providers` are in their configured order."""
    index = table.rule_for(asked)
    if index is None:
        ways: Iterable[ProviderGroup] = () if table.rules else ({name: 1.0} for name in providers)
    else:
        ways = table.rules[index].ways
    able = [_able(group, asked, providers) for group in ways]
    if index is not None and table.rules[index].order is Preference.CHEAPEST:
        able = [group for one in able for group in split_by_price(one, asked.country, providers)]
    groups = tuple(group for group in able if group)
    sender = shown_sender(table, asked)
    ended: RouteRefusal | None = None
    if not groups:
        ended = Status.NO_ROUTE, _no_route(table, index, asked)
    elif sender is None:
        ended = Status.INVALID_SENDER, f"sender {asked.sender} may not be used in {asked.country}"
    return RoutePlan(groups, sender or asked.sender, ended)


def refusal(found: RoutePlan, conditions: Mapping[str, ProviderState]) -> RouteRefusal | None:
    """Return the final status of a message that cannot be sent, and why; None if it can, now or later."""
    if found.refusal is not None:
        return found.refusal
    for name in found.names:
        if conditions.get(name, AVAILABLE).order is not Override.DRAINED:
            return None
    return Status.NO_ROUTE, "all providers of its route are drained"


def rank_providers(
    found: RoutePlan, reference: UUID, conditions: Mapping[str, ProviderState]
) -> tuple[str, ...]:
    """
    Name the providers for one message, the best first; none where all are drained.

    `reference` is ours, so each try of a message has the same order while
    the conditions are the same.
    """
    well = _are_well(found.names, conditions)
    if well and not found.is_drawn:
        return found.names
    groups = found.groups if well else arrange_groups(found.groups, conditions)
    return tuple(name for group in groups for name in _drawn(group, reference))


def arrange_groups(
    groups: tuple[ProviderGroup, ...], conditions: Mapping[str, ProviderState]
) -> tuple[ProviderGroup, ...]:
    """
    Put the groups into the order that the conditions want, apart where they want it so.

    Drained ones are left out, pinned ones come first and paused ones last.
    The others go by their breakers, unless none of them is closed: where all
    fail or are slow there is nothing to change to.
    """
    ranks = _ranks([name for group in groups for name in group], conditions)
    parts: dict[tuple[int, int], dict[str, float]] = {}
    for position, group in enumerate(groups):
        for name, weight in group.items():
            if name in ranks:
                parts.setdefault((ranks[name], position), {})[name] = weight
    return tuple(parts[key] for key in sorted(parts))


def split_by_price(
    group: ProviderGroup, country: str, providers: Mapping[str, ProviderConfig]
) -> list[ProviderGroup]:
    """Part a group by what its providers ask for a segment to this country; without a price is last."""
    parts: dict[tuple[bool, Decimal], dict[str, float]] = {}
    for name, weight in group.items():
        price = price_of(providers[name], country)
        parts.setdefault((price is None, price or Decimal()), {})[name] = weight
    return [parts[key] for key in sorted(parts)]


def price_of(provider: ProviderConfig, country: str) -> Decimal | None:
    """Tell what a provider asks for a segment to this country, if that is known."""
    return provider.prices.get(country, provider.prices.get("*"))


def exclusion_reason(provider: ProviderConfig | None, asked: RouteRequest) -> str:
    """Say why a provider cannot carry a message, whatever its condition; "" where it can."""
    if provider is None:
        return "it is not configured"
    if provider.takes is (Traffic.LIVE if asked.is_test else Traffic.TESTS):
        return "it takes no tests" if asked.is_test else "it takes tests only"
    if provider.countries and asked.country not in provider.countries:
        return f"it does not serve {asked.country or 'numbers of no country'}"
    return ""


def shown_sender(table: RouteTable, asked: RouteRequest) -> str | None:
    """Give the sender that the recipient sees; None: it may not be used in this country."""
    rule = table.senders.get(asked.country)
    return rule.shown(asked.sender) if rule and asked.sender else asked.sender


def _able(
    group: ProviderGroup, asked: RouteRequest, providers: Mapping[str, ProviderConfig]
) -> ProviderGroup:
    return {name: w for name, w in group.items() if not exclusion_reason(providers.get(name), asked)}


def _no_route(table: RouteTable, index: int | None, asked: RouteRequest) -> str:
    can = "takes tests" if asked.is_test else "serves this country"
    if index is not None and table.rules[index].ways:
        return f"no provider of rule {index + 1} {can}"
    if index is not None:
        return f"rule {index + 1} sends nothing there"
    return "no rule of the route table is for it" if table.rules else f"no provider {can}"


def _are_well(names: Iterable[str], conditions: Mapping[str, ProviderState]) -> bool:
    for name in names:
        one = conditions.get(name, AVAILABLE)
        if one.breaker is not Breaker.CLOSED or one.order is not Override.NONE:
            return False
    return True


def _ranks(names: Iterable[str], conditions: Mapping[str, ProviderState]) -> dict[str, int]:
    """Give each provider that is not drained its rank; equal ones keep the order they have."""
    known = {name: conditions.get(name, AVAILABLE) for name in names}
    there = {name: one for name, one in known.items() if one.order is not Override.DRAINED}
    free = [one for one in there.values() if one.order is Override.NONE]
    differs = any(one.breaker is Breaker.CLOSED for one in free)
    ranks = {}
    for name, one in there.items():
        if one.order is Override.NONE:
            ranks[name] = _AFTER[one.breaker] if differs else 0
        else:
            ranks[name] = -1 if one.order is Override.PINNED else len(_AFTER)
    return ranks


def _drawn(group: ProviderGroup, reference: UUID) -> Iterable[str]:
    if len(group) == 1:
        return group
    return sorted(group, key=lambda name: _arrival(reference, name) / group[name])


def _arrival(reference: UUID, name: str) -> float:
    """
    Draw when a provider arrives, with rate 1: at twice the weight it arrives twice as early.

    Sorted by that, each is first as often as its share of the weights, and
    who is left out changes nothing between the others (weighted sampling of
    Efraimidis and Spirakis, 2006, drawn by a hash).
    """
    digest = blake2b(b"%b/%b" % (reference.bytes, name.encode()), digest_size=8).digest()
    return -log((int.from_bytes(digest) + 1) / 2**64)
