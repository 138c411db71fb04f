"""
The table of routes as an operator writes it in JSON: reading it, with a list of all faults.

    {"rules": [{"countries": ["FR"], "tiers": ["bulk"], "ways": [{"alpha": 3, "beta": 1}, ["gamma"]]},
               {"prefixes": ["+2547"], "ways": [["alpha", "gamma"]], "order": "cheapest"},
               {"countries": ["CU"], "ways": []},
               {"ways": [["alpha"]]}],
     "senders": {"US": {"alphanumeric": "forbidden", "replace_with": "+12025550123"}}}
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from dispatcher.domain.delivery.provider import ProviderConfig, Traffic
from dispatcher.domain.errors import FieldError
from dispatcher.domain.numbers.msisdn import is_country
from dispatcher.domain.routing.route_table import Preference, ProviderGroup, RouteRule, RouteTable, join_names
from dispatcher.domain.routing.sender_rule import Alphanumeric, SenderRule
from dispatcher.domain.spelling import unknown_name
from dispatcher.domain.tier import Tier

MAX_RULES = 1000
_MAX_WEIGHT = 1_000_000
_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}")
_SENDER_NUMBER = re.compile(r"\+?[0-9]{3,15}")

E = TypeVar("E", bound=StrEnum)


def read_table(document: object) -> tuple[RouteTable, list[FieldError]]:
    """Return the table in a JSON document, and its faults; the table is valid only if there are none."""
    reader = _Reader()
    return reader.table(document), reader.faults


def unknown_names(
    table: RouteTable, *, providers: Collection[str], accounts: Collection[str]
) -> list[FieldError]:
    """Return a fault for each provider or account in a table that does not exist."""
    found: list[FieldError] = []
    for number, rule in enumerate(table.rules, 1):
        named = {name for group in rule.groups for name in group}
        for name in sorted(named - set(providers)):
            known = join_names(providers) or "none"
            found.append(
                FieldError(f"rule {number}, ways", f"there is no provider {name!r}; there are: {known}")
            )
        found += [
            FieldError(f"rule {number}, accounts", f"there is no account {name!r}")
            for name in sorted(rule.accounts - set(accounts))
        ]
    return found


def warnings(table: RouteTable, providers: Mapping[str, ProviderConfig]) -> list[str]:
    """Return warnings about rules that are never reached, and rules whose providers cannot serve them."""
    found: list[str] = []
    for number, rule in enumerate(table.rules, 1):
        first = next((n for n, one in enumerate(table.rules[: number - 1], 1) if one.covers(rule)), None)
        if first is not None:
            found.append(f"rule {number} is never reached: rule {first} matches all its messages")
        configs = [providers[name] for group in rule.groups for name in group if name in providers]
        if configs and all(config.takes is Traffic.TESTS for config in configs):
            found.append(
                f"rule {number} has providers for tests only: other messages that match it end as 28"
            )
        for config in configs:
            unserved = rule.countries - config.countries if config.countries else frozenset()
            if unserved:
                found.append(f"rule {number}: provider {config.name} does not serve {join_names(unserved)}")
    if table.rules and not any(rule.covers(RouteRule(())) for rule in table.rules):
        found.append("no rule matches all messages: those that match none end as 28")
    return found


class _Reader:
    """Reads a document and goes on after a fault, so that all faults are reported together."""

    def __init__(self) -> None:
        self.faults: list[FieldError] = []

    def table(self, value: object) -> RouteTable:
        parts = self._object("table", value, ("rules", "senders"))
        rules = self._list("rules", parts.get("rules", []))
        if len(rules) > MAX_RULES:
            self._wrong("rules", f"there are {len(rules):,}; at most {MAX_RULES:,} are allowed")
            rules = []
        senders = parts.get("senders", {})
        if not isinstance(senders, dict):
            self._wrong("senders", 'must be an object like {"US": {"alphanumeric": "forbidden"}}')
            senders = {}
        return RouteTable(
            tuple(self._rule(f"rule {number}", rule) for number, rule in enumerate(rules, 1)),
            {country: self._sender_rule(country, rule) for country, rule in senders.items()},
        )

    def _rule(self, at: str, value: object) -> RouteRule:
        parts = self._object(at, value, ("ways", "order", *_CONDITIONS))
        if isinstance(value, dict) and "ways" not in value:
            self._wrong(f"{at}, ways", "is missing; write [] for no route")
        found = {key: self._names(f"{at}, {key}", parts[key], key) for key in _CONDITIONS if key in parts}
        return RouteRule(
            groups=self._groups(at, self._list(f"{at}, ways", parts.get("ways", []))),
            preference=self._one_of(f"{at}, order", parts.get("order", Preference.WEIGHTED), Preference),
            countries=frozenset(found.get("countries", ())),
            prefixes=tuple(found.get("prefixes", ())),
            tiers=frozenset(Tier(name) for name in found.get("tiers", ()) if name in set(Tier)),
            senders=frozenset(found.get("senders", ())),
            accounts=frozenset(found.get("accounts", ())),
        )

    def _groups(self, at: str, value: Sequence[object]) -> tuple[ProviderGroup, ...]:
        groups = tuple(self._group(f"{at}, group {number}", group) for number, group in enumerate(value, 1))
        names = [name for group in groups for name in group]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self._wrong(f"{at}, ways", f"provider {name!r} is named twice")
        return groups

    def _group(self, at: str, value: object) -> ProviderGroup:
        if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
            if len(set(value)) < len(value):
                self._wrong(at, "names a provider twice")
            return dict.fromkeys(value, 1.0)
        if not isinstance(value, dict) or not value:
            self._wrong(at, 'must name providers: ["alpha", "beta"], or with weights {"alpha": 3, "beta": 1}')
            return {}
        return {name: self._weight(f"{at}, {name!r}", weight) for name, weight in value.items()}

    def _weight(self, at: str, value: object) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _MAX_WEIGHT:
            return float(value)
        self._wrong(at, f"{value!r} is not a weight: write a number above 0, at most {_MAX_WEIGHT:,}")
        return 1.0

    def _sender_rule(self, country: str, value: object) -> SenderRule:
        at = f"senders, {country!r}"
        self._check(at, country, "countries")
        parts = self._object(at, value, ("alphanumeric", "registered", "replace_with"))
        alphanumeric = self._one_of(f"{at}, alphanumeric", parts.get("alphanumeric"), Alphanumeric)
        registered = (
            self._names(f"{at}, registered", parts["registered"], "senders") if "registered" in parts else []
        )
        if alphanumeric is Alphanumeric.REGISTERED and not registered:
            self._wrong(f"{at}, registered", 'is empty; write "alphanumeric": "forbidden" instead')
        if alphanumeric is not Alphanumeric.REGISTERED and registered:
            self._wrong(f"{at}, registered", 'is allowed only with "alphanumeric": "registered"')
        replacement = parts.get("replace_with")
        if replacement is not None and not (
            isinstance(replacement, str) and _SENDER_NUMBER.fullmatch(replacement)
        ):
            self._wrong(
                f"{at}, replace_with", f"{replacement!r} is not a number or short code of 3 to 15 digits"
            )
            replacement = None
        return SenderRule(alphanumeric, frozenset(registered), replacement)

    def _names(self, at: str, value: object, kind: str) -> list[str]:
        names = [name for name in self._list(at, value) if self._check(at, name, kind)]
        if value == []:
            self._wrong(at, "is empty; leave it out if it does not matter")
        return [str(name) for name in names]

    def _check(self, at: str, name: object, kind: str) -> bool:
        fits, advice = _CONDITIONS[kind]
        if isinstance(name, str) and fits(name):
            return True
        self._wrong(at, f"{name!r} is {advice}")
        return False

    def _one_of(self, at: str, value: object, values: type[E]) -> E:
        if isinstance(value, str) and value in set(values):
            return values(value)
        fault = "is missing" if value is None else f"{value!r} is unknown"
        self._wrong(at, f"{fault}; write one of {', '.join(values)}")
        return next(iter(values))

    def _object(self, at: str, value: object, keys: Collection[str]) -> Mapping[str, object]:
        if not isinstance(value, dict):
            self._wrong(at, f"must be an object with {', '.join(keys)}")
            return {}
        for key in sorted(value.keys() - set(keys)):
            self._wrong(at, f"{key!r} is {unknown_name(key, keys)}")
        return value

    def _list(self, at: str, value: object) -> list[object]:
        if isinstance(value, list):
            return value
        self._wrong(at, "must be a list")
        return []

    def _wrong(self, at: str, sentence: str) -> None:
        self.faults.append(FieldError(at, sentence))


def _is_name(name: str) -> bool:
    return name.isprintable() and bool(name)


_CONDITIONS: Mapping[str, tuple[Callable[[str], object], str]] = {
    "countries": (is_country, 'not a country: write two capital letters, like "FR"'),
    "prefixes": (_PREFIX.fullmatch, 'not a prefix: write + and up to 15 digits, like "+2547"'),
    "tiers": (set(Tier).__contains__, f"not a tier; there are {', '.join(Tier)}"),
    "senders": (_is_name, "not a sender's name"),
    "accounts": (_is_name, "not an account's name"),
}
"""For each condition of a rule, the check of a value, and the text about a value that fails it."""
