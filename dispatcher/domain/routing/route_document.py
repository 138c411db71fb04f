"""
A table of routes as an operator writes it: read whole, with all that is wrong with it by name.

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
from dispatcher.domain.tier import Tier

MAX_RULES = 1000
_MOST_WEIGHT = 1_000_000
_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}")
_SENDER_NUMBER = re.compile(r"\+?[0-9]{3,15}")

E = TypeVar("E", bound=StrEnum)


def read_table(document: object) -> tuple[RouteTable, list[FieldError]]:
    """Read a document as JSON gives it, and list what is wrong; the table is good where nothing is."""
    reading = _Reading()
    return reading.table(document), reading.faults


def unknown_names(
    table: RouteTable, *, providers: Collection[str], accounts: Collection[str]
) -> list[FieldError]:
    """List the providers and accounts that a table names and that there are not."""
    found: list[FieldError] = []
    for number, rule in enumerate(table.rules, 1):
        named = {name for group in rule.ways for name in group}
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
    """Tell what is probably not meant: rules never reached, and rules whose providers cannot serve."""
    found: list[str] = []
    for number, rule in enumerate(table.rules, 1):
        first = next((n for n, one in enumerate(table.rules[: number - 1], 1) if one.covers(rule)), None)
        if first is not None:
            found.append(f"rule {number} is never reached: rule {first} takes all that fits it")
        configs = [providers[name] for group in rule.ways for name in group if name in providers]
        if configs and all(config.takes is Traffic.TESTS for config in configs):
            found.append(f"rule {number} has providers for tests only: other messages that fit it end as 28")
        for config in configs:
            unserved = rule.countries - config.countries if config.countries else frozenset()
            if unserved:
                found.append(f"rule {number}: provider {config.name} does not serve {join_names(unserved)}")
    if table.rules and not any(rule.covers(RouteRule(())) for rule in table.rules):
        found.append("no rule fits all: messages that fit none end as 28")
    return found


class _Reading:
    """Reads on after what is wrong, so that all of it is told together."""

    def __init__(self) -> None:
        self.faults: list[FieldError] = []

    def table(self, given: object) -> RouteTable:
        parts = self._object("table", given, ("rules", "senders"))
        rules = self._list("rules", parts.get("rules", []))
        if len(rules) > MAX_RULES:
            self._wrong("rules", f"there are {len(rules):,}; at most {MAX_RULES:,} are read")
            rules = []
        senders = parts.get("senders", {})
        if not isinstance(senders, dict):
            self._wrong("senders", 'must be an object like {"US": {"alphanumeric": "forbidden"}}')
            senders = {}
        return RouteTable(
            tuple(self._rule(f"rule {number}", rule) for number, rule in enumerate(rules, 1)),
            {country: self._sender_rule(country, rule) for country, rule in senders.items()},
        )

    def _rule(self, at: str, given: object) -> RouteRule:
        parts = self._object(at, given, ("ways", "order", *_CONDITIONS))
        if isinstance(given, dict) and "ways" not in given:
            self._wrong(f"{at}, ways", "is missing; write [] for no route")
        found = {key: self._names(f"{at}, {key}", parts[key], key) for key in _CONDITIONS if key in parts}
        return RouteRule(
            ways=self._ways(at, self._list(f"{at}, ways", parts.get("ways", []))),
            order=self._one_of(f"{at}, order", parts.get("order", Preference.WEIGHTED), Preference),
            countries=frozenset(found.get("countries", ())),
            prefixes=tuple(found.get("prefixes", ())),
            tiers=frozenset(Tier(name) for name in found.get("tiers", ()) if name in set(Tier)),
            senders=frozenset(found.get("senders", ())),
            accounts=frozenset(found.get("accounts", ())),
        )

    def _ways(self, at: str, given: Sequence[object]) -> tuple[ProviderGroup, ...]:
        groups = tuple(self._group(f"{at}, group {number}", group) for number, group in enumerate(given, 1))
        names = [name for group in groups for name in group]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self._wrong(f"{at}, ways", f"provider {name!r} is named twice")
        return groups

    def _group(self, at: str, given: object) -> ProviderGroup:
        if isinstance(given, list) and given and all(isinstance(name, str) for name in given):
            if len(set(given)) < len(given):
                self._wrong(at, "names a provider twice")
            return dict.fromkeys(given, 1.0)
        if not isinstance(given, dict) or not given:
            self._wrong(at, 'must name providers: ["alpha", "beta"], or with weights {"alpha": 3, "beta": 1}')
            return {}
        return {name: self._weight(f"{at}, {name!r}", weight) for name, weight in given.items()}

    def _weight(self, at: str, given: object) -> float:
        if isinstance(given, int | float) and not isinstance(given, bool) and 0 < given <= _MOST_WEIGHT:
            return float(given)
        self._wrong(at, f"{given!r} is no weight: give a number above 0, at most {_MOST_WEIGHT:,}")
        return 1.0

    def _sender_rule(self, country: str, given: object) -> SenderRule:
        at = f"senders, {country!r}"
        self._check(at, country, "countries")
        parts = self._object(at, given, ("alphanumeric", "registered", "replace_with"))
        says = self._one_of(f"{at}, alphanumeric", parts.get("alphanumeric"), Alphanumeric)
        registered = (
            self._names(f"{at}, registered", parts["registered"], "senders") if "registered" in parts else []
        )
        if says is Alphanumeric.REGISTERED and not registered:
            self._wrong(f"{at}, registered", 'names none; then write "alphanumeric": "forbidden"')
        if says is not Alphanumeric.REGISTERED and registered:
            self._wrong(f"{at}, registered", 'has a meaning with "alphanumeric": "registered" only')
        instead = parts.get("replace_with")
        if instead is not None and not (isinstance(instead, str) and _SENDER_NUMBER.fullmatch(instead)):
            self._wrong(f"{at}, replace_with", f"{instead!r} is no number or short code of 3 to 15 digits")
            instead = None
        return SenderRule(says, frozenset(registered), instead)

    def _names(self, at: str, given: object, kind: str) -> list[str]:
        names = [name for name in self._list(at, given) if self._check(at, name, kind)]
        if given == []:
            self._wrong(at, "names none; leave it out where it does not matter")
        return [str(name) for name in names]

    def _check(self, at: str, name: object, kind: str) -> bool:
        fits, advice = _CONDITIONS[kind]
        if isinstance(name, str) and fits(name):
            return True
        self._wrong(at, f"{name!r} is {advice}")
        return False

    def _one_of(self, at: str, given: object, values: type[E]) -> E:
        if isinstance(given, str) and given in set(values):
            return values(given)
        said = "is missing" if given is None else f"{given!r} is unknown"
        self._wrong(at, f"{said}; write one of {', '.join(values)}")
        return next(iter(values))

    def _object(self, at: str, given: object, keys: Collection[str]) -> Mapping[str, object]:
        if not isinstance(given, dict):
            self._wrong(at, f"must be an object with {', '.join(keys)}")
            return {}
        for key in sorted(given.keys() - set(keys)):
            self._wrong(at, f"{key!r} is unknown; there are {', '.join(keys)}")
        return given

    def _list(self, at: str, given: object) -> list[object]:
        if isinstance(given, list):
            return given
        self._wrong(at, "must be a list")
        return []

    def _wrong(self, at: str, sentence: str) -> None:
        self.faults.append(FieldError(at, sentence))


def _is_name(name: str) -> bool:
    return name.isprintable() and bool(name)


_CONDITIONS: Mapping[str, tuple[Callable[[str], object], str]] = {
    "countries": (is_country, 'no country: write two capital letters, like "FR"'),
    "prefixes": (_PREFIX.fullmatch, 'no prefix: write + and up to 15 digits, like "+2547"'),
    "tiers": (set(Tier).__contains__, f"no tier; there are {', '.join(Tier)}"),
    "senders": (_is_name, "no sender's name"),
    "accounts": (_is_name, "no account's name"),
}
"""What the conditions of a rule hold, and what is said of a value that does not fit."""
