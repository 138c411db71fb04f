"""The operator's table of routes: rules in order, of which the first that fits a message decides."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from dispatcher.domain.routing.sender_rule import SenderRule
from dispatcher.domain.tier import Tier

_SHOWN = 5

ProviderGroup = Mapping[str, float]
"""Providers that share messages, each with its weight; the others are there for what one cannot take."""


class Preference(StrEnum):
    """What decides inside a group."""

    WEIGHTED = "weighted"  # a draw by weight, which our reference decides
    CHEAPEST = "cheapest"  # the price in the message's country; a draw where prices are equal


class RouteRequest(NamedTuple):  # hashed for each message, where a dataclass is slow
    """
    What a route is chosen by.

    `number` is in E.164, or so much of its beginning as the table looks at.
    `sender` and `account` are names; "" fits no rule that names any.
    """

    country: str
    number: str
    tier: Tier
    sender: str
    account: str
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class RouteRule:
    """
    Where messages go that fit all its conditions; an empty condition fits all.

    `ways` are groups in order. Without any, the messages have no route.
    """

    ways: tuple[ProviderGroup, ...]
    order: Preference = Preference.WEIGHTED
    countries: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    tiers: frozenset[Tier] = frozenset()
    senders: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()

    @property
    def conditions(self) -> Mapping[str, Collection[str]]:
        """What it asks, by the names of the document; nothing for what fits all."""
        asked = {
            "countries": self.countries,
            "prefixes": self.prefixes,
            "tiers": self.tiers,
            "senders": self.senders,
            "accounts": self.accounts,
        }
        return {name: wanted for name, wanted in asked.items() if wanted}

    def objection(self, asked: RouteRequest) -> str:
        """Say which condition a message does not meet; "" where it meets all."""
        if self.prefixes and not asked.number.startswith(self.prefixes):
            return f"it is for the prefixes {join_names(self.prefixes)}"
        for wanted, value, name in (
            (self.countries, asked.country, "countries"),
            (self.tiers, asked.tier, "tiers"),
            (self.senders, asked.sender, "senders"),
            (self.accounts, asked.account, "accounts"),
        ):
            if wanted and value not in wanted:
                return f"it is for the {name} {join_names(wanted)}"
        return ""

    def covers(self, later: "RouteRule") -> bool:
        """Tell whether each message that fits the later rule fits this one too."""
        return (
            _covers(self.countries, later.countries)
            and (
                not self.prefixes
                or (bool(later.prefixes) and all(one.startswith(self.prefixes) for one in later.prefixes))
            )
            and (
                _covers(self.tiers, later.tiers)
                and _covers(self.senders, later.senders)
                and _covers(self.accounts, later.accounts)
            )
        )


@dataclass(frozen=True, slots=True)
class RouteTable:
    """
    Rules in order, and what each country says of senders.

    Without rules, messages go by the providers that serve their country, in
    the order in which they are configured. `reach` is how many characters of
    a number matter.
    """

    rules: tuple[RouteRule, ...] = ()
    senders: Mapping[str, SenderRule] = field(default_factory=dict)
    reach: int = field(init=False)

    def __post_init__(self) -> None:
        prefixes = (prefix for rule in self.rules for prefix in rule.prefixes)
        object.__setattr__(self, "reach", max(map(len, prefixes), default=0))

    def rule_for(self, asked: RouteRequest) -> int | None:
        """Find the rule that decides; None if none fits."""
        return next((i for i, rule in enumerate(self.rules) if not rule.objection(asked)), None)


def join_names(names: Collection[str]) -> str:
    """Write names in order, of many the first few."""
    some = sorted(names)[:_SHOWN]
    return ", ".join(some) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _covers(wide: Collection[str], narrow: Collection[str]) -> bool:
    return not wide or (bool(narrow) and set(narrow) <= set(wide))
