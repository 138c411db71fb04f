"""Why a message takes the route it takes, step by step: for operators."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.domain.routing.provider_state import WELL, Breaker, Condition, Order
from dispatcher.domain.routing.route import arranged, inability, plan, price_of, refusal, shown_sender
from dispatcher.domain.routing.route_table import Asked, Group, Preference, RouteTable, Rule, listed

_ORDERS = {
    Order.PAUSED: "paused: it is the last",
    Order.DRAINED: "drained: it is left out",
    Order.PINNED: "pinned: it is the first",
}


class Step(NamedTuple):
    """One step of the choice: what it is about, and what was found."""

    about: str
    found: str


def steps(
    table: RouteTable,
    asked: Asked,
    providers: Mapping[str, ProviderConfig],
    conditions: Mapping[str, Condition],
) -> Sequence[Step]:
    """Tell how a route is chosen: country, rules, groups, who is left out or moved, the sender, the route."""
    found = plan(table, asked, providers)
    ended = refusal(found, conditions)
    rule = _rule(table, asked)
    end = (
        f"none: status {ended[0].value}, {ended[1]}" if ended else written(arranged(found.groups, conditions))
    )
    return [
        Step("country", asked.country or "none: nobody can tell it from the number"),
        *_rules(table, asked),
        *_left_out(rule, asked, providers),
        *_groups(found.groups, rule, asked, providers),
        *_conditions(found.names, conditions),
        Step("sender", _sender(table, asked)),
        Step("route", end),
    ]


def written(groups: Sequence[Group]) -> str:
    """Write groups as "alpha 75 % or beta 25 %, then gamma": each share is the chance to be the first."""
    return ", then ".join(" or ".join(_shares(group)) for group in groups)


def _shares(group: Group) -> list[str]:
    total = sum(group.values())
    if len(group) == 1:
        return list(group)
    return [f"{name} {100 * weight / total:.3g} %" for name, weight in group.items()]


def _rule(table: RouteTable, asked: Asked) -> Rule | None:
    index = table.rule_for(asked)
    return None if index is None else table.rules[index]


def _rules(table: RouteTable, asked: Asked) -> Iterator[Step]:
    if not table.rules:
        yield Step("rules", "there are none: the providers that serve the country, as they are configured")
    for number, rule in enumerate(table.rules, 1):
        objection = rule.objection(asked)
        yield Step(f"rule {number}", f"no, {objection}" if objection else f"yes, it is for {_asks(rule)}")
        if not objection:
            return


def _asks(rule: Rule) -> str:
    return "; ".join(f"{name} {listed(wanted)}" for name, wanted in rule.conditions.items()) or "all"


def _left_out(rule: Rule | None, asked: Asked, providers: Mapping[str, ProviderConfig]) -> Iterator[Step]:
    for name in [name for group in rule.ways for name in group] if rule else providers:
        if cannot := inability(providers.get(name), asked):
            yield Step(name, f"left out, {cannot}")


def _groups(
    groups: Sequence[Group], rule: Rule | None, asked: Asked, providers: Mapping[str, ProviderConfig]
) -> Iterator[Step]:
    for number, group in enumerate(groups, 1):
        text = " or ".join(_shares(group))
        if rule is not None and rule.order is Preference.CHEAPEST:
            price = price_of(providers[next(iter(group))], asked.country)
            text += ", without a price" if price is None else f", {price} a segment"
        yield Step(f"group {number}", text)


def _conditions(names: Sequence[str], conditions: Mapping[str, Condition]) -> Iterator[Step]:
    known = {name: conditions.get(name, WELL) for name in names}
    free = [one for one in known.values() if one.order is Order.NONE]
    stays = (
        "" if any(one.breaker is Breaker.CLOSED for one in free) else ", but no other works: the order stays"
    )
    for name, one in known.items():
        if one.order is not Order.NONE:
            yield Step(name, _ORDERS[one.order])
        elif one.breaker is not Breaker.CLOSED:
            yield Step(name, f"its breaker is {one.breaker}{stays or ': it comes after those that work'}")


def _sender(table: RouteTable, asked: Asked) -> str:
    if not asked.sender:
        return "none is named"
    shown = shown_sender(table, asked)
    if shown == asked.sender:
        return shown
    return f"{asked.sender} may not be used in {asked.country}" + (
        f": {shown} stands for it" if shown else ""
    )
