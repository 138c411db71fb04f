"""Reading requests: types are exact, and one error lists all faults."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from starlette.datastructures import QueryParams

from dispatcher.api.dialects.smsgate.mapping import read_time
from dispatcher.domain.errors import Invalid

T = TypeVar("T")

MAX_TTL = timedelta(days=36_525)
"""The largest ttl; a longer one is reduced to it."""

_DIGITS = 18
_BIGGEST = 10**_DIGITS
_KINDS = {str: "a string", bool: "a boolean", dict: "an object", list: "an array"}
_TRUE = frozenset({"1", "t", "T", "true", "True", "TRUE"})
_FALSE = frozenset({"0", "f", "F", "false", "False", "FALSE"})


class Form:
    """The fields of an object, read by type; `faults` collects the faults. null means left out."""

    def __init__(self, body: Mapping[str, object]) -> None:
        self._body = body
        self.faults: list[str] = []

    def check(self) -> None:
        """Raise Invalid with all faults, if there are any."""
        if self.faults:
            raise Invalid("; ".join(self.faults))

    def has(self, name: str) -> bool:
        """Return whether a field is present, and not null or an empty string."""
        return self._body.get(name) not in (None, "")

    def take(self, name: str, kind: type[T], *, inside: str = "") -> T | None:
        """Return a field that has exactly this type, else None."""
        value = self._body.get(name)
        if value is None or type(value) is kind:
            return value
        self.faults.append(f"{inside}{name} must be {_KINDS[kind]}")
        return None

    def name(self, name: str, *, max_length: int) -> str | None:
        """Return a short string that can be an id; an empty one counts as left out."""
        value = self.take(name, str)
        if value and (len(value) > max_length or not value.isprintable()):
            self.faults.append(f"{name} must have at most {max_length} printable characters")
        return value or None

    def integer(self, name: str, *, minimum: int, maximum: int | None = None) -> int | None:
        """Return an integer within limits; a boolean is not an integer."""
        value = self._body.get(name)
        if value is None:
            return None
        if type(value) is int and value >= minimum and (maximum is None or value <= maximum):
            return value
        limits = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        self.faults.append(f"{name} must be an integer {limits}")
        return None

    def time(self, name: str) -> datetime | None:
        """Return a time."""
        value = self.take(name, str)
        try:
            return None if value is None else read_time(value)
        except ValueError:
            self.faults.append(f"{name} must be a time in RFC 3339 format: YYYY-MM-DDThh:mm:ssZ")
            return None

    def strings(self, name: str, *, maximum: int, max_length: int) -> list[str]:
        """Return an array of one or more strings; it is empty if there is a fault."""
        before = len(self.faults)
        value = self.take(name, list) or []
        if len(self.faults) > before:
            return []
        found = [item for item in value if isinstance(item, str)]
        if len(found) < len(value):
            self.faults.append(f"{name} must contain only strings")
        elif not 1 <= len(value) <= maximum:
            self.faults.append(f"{name} must have 1 to {maximum} entries, not {len(value)}")
        elif not all(1 <= len(item) <= max_length for item in found):
            self.faults.append(f"the entries of {name} must have 1 to {max_length} characters")
        return found

    def inner(self, name: str) -> "Form":
        """Return the form of a nested object, which has faults of its own."""
        return Form(self.take(name, dict) or {})


def read_boolean(query: QueryParams, name: str) -> bool:
    """Return a boolean of a query, in any spelling that Go accepts. Raises Invalid."""
    value = query.get(name, "false")
    if value not in _TRUE | _FALSE:
        raise Invalid(f"{name} must be true or false")
    return value in _TRUE


def read_integer(query: QueryParams, name: str, default: int) -> int:
    """Return an integer of a query, limited to what a database can store. Raises Invalid."""
    value = query.get(name, "")
    digits = value.removeprefix("-")
    if not value:
        return default
    if not (digits.isascii() and digits.isdigit()):
        raise Invalid(f"{name} must be an integer")
    size = int(digits) if len(digits) <= _DIGITS else _BIGGEST
    return -size if value.startswith("-") else size
