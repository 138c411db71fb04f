"""The choice of a route step by step, explained for operators."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.domain.routing.provider_state import AVAILABLE, BreakerPhase, Override, ProviderState
from dispatcher.domain.routing.route import (
    arrange_groups,
    exclusion_reason,
    plan_route,
    price_of,
    refusal,
    shown_sender,
)
from dispatcher.domain.routing.route_table import (
    Preference,
    ProviderGroup,
    RouteRequest,
    RouteRule,
    RouteTable,
    join_names,
)

_OVERRIDES = {
    Override.PAUSED: "paused: it is the last",
    Override.DRAINED: "drained: it is left out",
    Override.PINNED: "pinned: it is the first",
}


class RouteStep(NamedTuple):
    """One step of the choice: its subject, and the finding."""

    about: str
    found: str


def explain_route(
    table: RouteTable,
    request: RouteRequest,
    providers: Mapping[str, ProviderConfig],
    states: Mapping[str, ProviderState],
) -> Sequence[RouteStep]:
    """Return the steps: country, rules, providers left out, groups, provider states, sender and route."""
    found = plan_route(table, request, providers)
    ended = refusal(found, states)
    rule = _rule(table, request)
    end = (
        f"none: status {ended[0].value}, {ended[1]}"
        if ended
        else format_groups(arrange_groups(found.groups, states))
    )
    return [
        RouteStep("country", request.country or "none: the number does not show it"),
        *_rules(table, request),
        *_left_out(rule, request, providers),
        *_groups(found.groups, rule, request, providers),
        *_states(found.names, states),
        RouteStep("sender", _sender(table, request)),
        RouteStep("route", end),
    ]


def format_groups(groups: Sequence[ProviderGroup]) -> str:
    """Return a text like "alpha 75 % or beta 25 %, then gamma"; a share is the chance to be the first."""
    return ", then ".join(" or ".join(_shares(group)) for group in groups)


def _shares(group: ProviderGroup) -> list[str]:
    total = sum(group.values())
    if len(group) == 1:
        return list(group)
    return [f"{name} {100 * weight / total:.3g} %" for name, weight in group.items()]


def _rule(table: RouteTable, request: RouteRequest) -> RouteRule | None:
    index = table.rule_for(request)
    return None if index is None else table.rules[index]


def _rules(table: RouteTable, request: RouteRequest) -> Iterator[RouteStep]:
    if not table.rules:
        yield RouteStep(
            "rules", "there are none: the providers that serve the country, in their configured order"
        )
    for number, rule in enumerate(table.rules, 1):
        mismatch = rule.mismatch(request)
        yield RouteStep(
            f"rule {number}", f"no, {mismatch}" if mismatch else f"yes, it is for {_conditions_of(rule)}"
        )
        if not mismatch:
            return


def _conditions_of(rule: RouteRule) -> str:
    return "; ".join(f"{name} {join_names(wanted)}" for name, wanted in rule.conditions.items()) or "all"


def _left_out(
    rule: RouteRule | None, request: RouteRequest, providers: Mapping[str, ProviderConfig]
) -> Iterator[RouteStep]:
    for name in [name for group in rule.groups for name in group] if rule else providers:
        if reason := exclusion_reason(providers.get(name), request):
            yield RouteStep(name, f"left out, {reason}")


def _groups(
    groups: Sequence[ProviderGroup],
    rule: RouteRule | None,
    request: RouteRequest,
    providers: Mapping[str, ProviderConfig],
) -> Iterator[RouteStep]:
    for number, group in enumerate(groups, 1):
        text = " or ".join(_shares(group))
        if rule is not None and rule.preference is Preference.CHEAPEST:
            price = price_of(providers[next(iter(group))], request.country)
            text += ", without a price" if price is None else f", {price} a segment"
        yield RouteStep(f"group {number}", text)


def _states(names: Sequence[str], states: Mapping[str, ProviderState]) -> Iterator[RouteStep]:
    known = {name: states.get(name, AVAILABLE) for name in names}
    automatic = [one for one in known.values() if one.override is Override.NONE]
    stays = (
        ""
        if any(one.breaker is BreakerPhase.CLOSED for one in automatic)
        else ", but no other provider works: the order stays"
    )
    for name, one in known.items():
        if one.override is not Override.NONE:
            yield RouteStep(name, _OVERRIDES[one.override])
        elif one.breaker is not BreakerPhase.CLOSED:
            yield RouteStep(
                name, f"its breaker is {one.breaker}{stays or ': it comes after those that work'}"
            )


def _sender(table: RouteTable, request: RouteRequest) -> str:
    if not request.sender:
        return "none is given"
    shown = shown_sender(table, request)
    if shown == request.sender:
        return shown
    return f"{request.sender} may not be used in {request.country}" + (
        f": {shown} is shown instead" if shown else ""
    )
