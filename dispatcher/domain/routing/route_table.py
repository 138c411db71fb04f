"""The table of routes: rules in order, of which the first that matches a message decides."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from dispatcher.domain.routing.sender_rule import SenderRule
from dispatcher.domain.tier import Tier

_MAX_SHOWN = 5

ProviderGroup = Mapping[str, float]
"""Providers that share messages, each with its weight; if one cannot take a message, the others do."""


class Preference(StrEnum):
    """How a provider is chosen inside a group."""

    WEIGHTED = "weighted"  # at random by weight, decided by our reference
    CHEAPEST = "cheapest"  # the lowest price in the message's country; at random if prices are equal


class RouteRequest(NamedTuple):  # not a dataclass: it is hashed for each message
    """
    The properties of a message by which its route is chosen.

    `number` is in E.164, or the beginning of it that the table compares.
    `sender` and `account` are names; "" matches no rule that has any.
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
    The providers of messages that meet all conditions; an empty condition is met by all.

    `groups` are in order. Without groups, the messages have no route.
    """

    groups: tuple[ProviderGroup, ...]
    preference: Preference = Preference.WEIGHTED
    countries: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    tiers: frozenset[Tier] = frozenset()
    senders: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()

    @property
    def conditions(self) -> Mapping[str, Collection[str]]:
        """The conditions that are not empty, by their names in the document."""
        conditions = {
            "countries": self.countries,
            "prefixes": self.prefixes,
            "tiers": self.tiers,
            "senders": self.senders,
            "accounts": self.accounts,
        }
        return {name: wanted for name, wanted in conditions.items() if wanted}

    def mismatch(self, request: RouteRequest) -> str:
        """Return which condition a message does not meet; "" if it meets all."""
        if self.prefixes and not request.number.startswith(self.prefixes):
            return f"it is for the prefixes {join_names(self.prefixes)}"
        for wanted, value, name in (
            (self.countries, request.country, "countries"),
            (self.tiers, request.tier, "tiers"),
            (self.senders, request.sender, "senders"),
            (self.accounts, request.account, "accounts"),
        ):
            if wanted and value not in wanted:
                return f"it is for the {name} {join_names(wanted)}"
        return ""

    def covers(self, later: "RouteRule") -> bool:
        """Return whether each message that matches the later rule also matches this one."""
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
    Rules in order, and the rule of each country for senders.

    Without rules, messages go to the providers that serve their country, in
    the order in which they are configured. `reach` is how many characters of
    a number are compared.
    """

    rules: tuple[RouteRule, ...] = ()
    senders: Mapping[str, SenderRule] = field(default_factory=dict)
    reach: int = field(init=False)

    def __post_init__(self) -> None:
        prefixes = (prefix for rule in self.rules for prefix in rule.prefixes)
        object.__setattr__(self, "reach", max(map(len, prefixes), default=0))

    def rule_for(self, request: RouteRequest) -> int | None:
        """Return the index of the rule that decides; None if none matches."""
        return next((i for i, rule in enumerate(self.rules) if not rule.mismatch(request)), None)


def join_names(names: Collection[str]) -> str:
    """Return the names in order as a text; of many names only the first few."""
    some = sorted(names)[:_MAX_SHOWN]
    return ", ".join(some) + (f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else "")


def _covers(wide: Collection[str], narrow: Collection[str]) -> bool:
    return not wide or (bool(narrow) and set(narrow) <= set(wide))
