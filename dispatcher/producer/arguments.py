"""Arguments: a wrong type is a TypeError that says which argument, what was given and what is expected."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, TypeGuard, TypeVar
from uuid import UUID

from dispatcher.domain.errors import Invalid, NotFound
from dispatcher.domain.tier import Tier

T = TypeVar("T")
U = TypeVar("U")
E = TypeVar("E", bound=Enum)

_MOST_SHOWN = 60
_WORDS: Mapping[type, str] = {
    bool: "True or False",
    date: "a date",
    datetime: "a datetime",
    float: "a number",
    int: "an int",
    str: "a str",
    timedelta: "a timedelta",
    UUID: "a UUID",
}


def required(name: str, value: object, kind: type[T], *others: type) -> T:
    """Return a value of one of these types. Raises TypeError; True and False are no numbers."""
    kinds = (kind, *others)
    if isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds):
        return value  # type: ignore[return-value]  # one of `others` is for the caller to know
    raise wrong(name, value, " or ".join(_WORDS[each] for each in kinds))


def optional(name: str, value: object, kind: type[T], *others: type) -> T | None:
    """Return None, or a value of one of these types. Raises TypeError."""
    return None if value is None else required(name, value, kind, *others)


def is_number(value: object) -> TypeGuard[int]:
    """Whether a value is an int, and not True or False."""
    return isinstance(value, int) and not isinstance(value, bool)


def read_time(name: str, value: object) -> datetime | None:
    """Return None, or a time with a zone. Raises TypeError, and Invalid without a zone."""
    at = optional(name, value, datetime)
    if at is not None and at.utcoffset() is None:
        raise Invalid(f"{name} needs a time zone, got {at.isoformat(' ')} without one")
    return at


def read_id(name: str, value: object) -> int | UUID:
    """Return the id or the public id of a message. Raises TypeError, and NotFound for an impossible id."""
    return value if isinstance(value, UUID) else _existing(required(name, value, int, UUID))


def read_batch_id(name: str, value: object) -> int | UUID | str:
    """Return the id, the public id or the external id of a batch. Raises TypeError and NotFound."""
    return value if isinstance(value, UUID | str) else _existing(required(name, value, int, UUID, str))


def read_numbers(value: object) -> list[str]:
    """Return the phone numbers of `to`: a str is one number. Raises TypeError."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, bytes | bytearray | memoryview | Mapping) or not isinstance(value, Iterable):
        raise wrong("to", value, "a str (one phone number) or a list of str")
    return [required(f"to[{position}]", number, str) for position, number in enumerate(value)]


def read_variables(value: object) -> dict[str, str]:
    """Return the variables of a template, by name. Raises TypeError."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise wrong("variables", value, "a dict of str")
    return {
        required("a name in variables", name, str): required(f"variables[{name!r}]", text, str)
        for name, text in value.items()
    }


def read_tier(value: object) -> Tier:
    """Return a tier by its name. Raises TypeError and Invalid."""
    try:
        return Tier(required("tier", value, str))
    except ValueError:
        raise Invalid(f"{value!r} is not a tier: give one of {', '.join(Tier)}") from None


def read_choice(name: str, value: object, choices: type[E]) -> E:
    """Return the member of an Enum that a word names. Raises TypeError and Invalid."""
    words = {member.name.lower(): member for member in choices}
    if (found := words.get(required(name, value, str))) is None:
        raise Invalid(f"{value!r} is no choice for {name}: give one of {', '.join(words)}")
    return found


def check_audience(value: object) -> None:
    """Raise TypeError for what is neither the name of an audience nor rows."""
    if isinstance(value, bytes | bytearray | memoryview | Mapping) or not isinstance(value, Iterable):
        raise wrong("audience", value, "a str (its name) or rows")


def check_campaign(texts: Mapping[str, object], others: Mapping[str, tuple[object, type[Any]]]) -> None:
    """Raise TypeError for an argument of a campaign that is neither None nor of its type."""
    for name, text in texts.items():
        optional(name, text, str)
    for name, (value, kind) in others.items():
        if kind is date and isinstance(value, datetime):
            raise wrong(name, value, "a date")
        if value is not None:
            required(name, value, kind, *((int,) if kind is float else ()))


def _existing(number: int) -> int:
    if not 0 < number < 2**63:
        raise NotFound(f"there is none with the id {number}")
    return number


def wrong(name: str, value: object, words: str) -> TypeError:
    """Return the error for an argument of a wrong type."""
    shown = repr(value)
    shown = shown if len(shown) <= _MOST_SHOWN else shown[:_MOST_SHOWN] + "…"
    given = "None" if value is None else f"{type(value).__name__} {shown}"
    return TypeError(f"{name} must be {words}, not {given}")
