"""Why a message takes the route it takes, step by step: for operators."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.domain.routing.provider_state import AVAILABLE, Breaker, Override, ProviderState
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

_ORDERS = {
    Override.PAUSED: "paused: it is the last",
    Override.DRAINED: "drained: it is left out",
    Override.PINNED: "pinned: it is the first",
}


class RouteStep(NamedTuple):
    """One step of the choice: what it is about, and what was found."""

    about: str
    found: str


def explain_route(
    table: RouteTable,
    asked: RouteRequest,
    providers: Mapping[str, ProviderConfig],
    conditions: Mapping[str, ProviderState],
) -> Sequence[RouteStep]:
    """Tell how a route is chosen: country, rules, groups, who is left out or moved, the sender, the route."""
    found = plan_route(table, asked, providers)
    ended = refusal(found, conditions)
    rule = _rule(table, asked)
    end = (
        f"none: status {ended[0].value}, {ended[1]}"
        if ended
        else format_groups(arrange_groups(found.groups, conditions))
    )
    return [
        RouteStep("country", asked.country or "none: nobody can tell it from the number"),
        *_rules(table, asked),
        *_left_out(rule, asked, providers),
        *_groups(found.groups, rule, asked, providers),
        *_conditions(found.names, conditions),
        RouteStep("sender", _sender(table, asked)),
        RouteStep("route", end),
    ]


def format_groups(groups: Sequence[ProviderGroup]) -> str:
    """Write groups as "alpha 75 % or beta 25 %, then gamma": each share is the chance to be the first."""
    return ", then ".join(" or ".join(_shares(group)) for group in groups)


def _shares(group: ProviderGroup) -> list[str]:
    total = sum(group.values())
    if len(group) == 1:
        return list(group)
    return [f"{name} {100 * weight / total:.3g} %" for name, weight in group.items()]


def _rule(table: RouteTable, asked: RouteRequest) -> RouteRule | None:
    index = table.rule_for(asked)
    return None if index is None else table.rules[index]


def _rules(table: RouteTable, asked: RouteRequest) -> Iterator[RouteStep]:
    if not table.rules:
        yield RouteStep(
            "rules", "there are none: the providers that serve the country, as they are configured"
        )
    for number, rule in enumerate(table.rules, 1):
        objection = rule.objection(asked)
        yield RouteStep(
            f"rule {number}", f"no, {objection}" if objection else f"yes, it is for {_asks(rule)}"
        )
        if not objection:
            return


def _asks(rule: RouteRule) -> str:
    return "; ".join(f"{name} {join_names(wanted)}" for name, wanted in rule.conditions.items()) or "all"


def _left_out(
    rule: RouteRule | None, asked: RouteRequest, providers: Mapping[str, ProviderConfig]
) -> Iterator[RouteStep]:
    for name in [name for group in rule.ways for name in group] if rule else providers:
        if cannot := exclusion_reason(providers.get(name), asked):
            yield RouteStep(name, f"left out, {cannot}")


def _groups(
    groups: Sequence[ProviderGroup],
    rule: RouteRule | None,
    asked: RouteRequest,
    providers: Mapping[str, ProviderConfig],
) -> Iterator[RouteStep]:
    for number, group in enumerate(groups, 1):
        text = " or ".join(_shares(group))
        if rule is not None and rule.order is Preference.CHEAPEST:
            price = price_of(providers[next(iter(group))], asked.country)
            text += ", without a price" if price is None else f", {price} a segment"
        yield RouteStep(f"group {number}", text)


def _conditions(names: Sequence[str], conditions: Mapping[str, ProviderState]) -> Iterator[RouteStep]:
    known = {name: conditions.get(name, AVAILABLE) for name in names}
    free = [one for one in known.values() if one.order is Override.NONE]
    stays = (
        "" if any(one.breaker is Breaker.CLOSED for one in free) else ", but no other works: the order stays"
    )
    for name, one in known.items():
        if one.order is not Override.NONE:
            yield RouteStep(name, _ORDERS[one.order])
        elif one.breaker is not Breaker.CLOSED:
            yield RouteStep(
                name, f"its breaker is {one.breaker}{stays or ': it comes after those that work'}"
            )


def _sender(table: RouteTable, asked: RouteRequest) -> str:
    if not asked.sender:
        return "none is named"
    shown = shown_sender(table, asked)
    if shown == asked.sender:
        return shown
    return f"{asked.sender} may not be used in {asked.country}" + (
        f": {shown} stands for it" if shown else ""
    )
