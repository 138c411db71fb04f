"""
Placeholders: `{name}` in a string of the options stands for a value of the message.

One regular expression and one dictionary: nothing is evaluated, and no
attribute or index of a value is reachable. `{{` and `}}` are single braces.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from dispatcher.domain.messages.encoding import Encoding, measure
from dispatcher.domain.spelling import unknown_name
from dispatcher.providers.contract import Outgoing

Value = str | int | None
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Values = Mapping[str, Value]

_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)
_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([a-z_]+)\}|[{}]")
_ONE_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")

PLACEHOLDERS: Final[Mapping[str, Callable[[Outgoing], Value]]] = {
    "to": lambda message: message.to,
    "to_digits": lambda message: message.to.lstrip("+"),
    "sender": lambda message: message.sender,
    "text": lambda message: message.text,
    "coding": lambda message: 0 if measure(message.text).encoding is Encoding.GSM7 else 2,
    "reference": lambda message: message.reference,
    "segments": lambda message: message.segments,
    "attempt": lambda message: message.attempt,
    "tier": lambda message: message.tier.value,
    "not_after": lambda message: message.not_after.isoformat(timespec="seconds"),
}
"""The values of a message that a template can use. `receipt_url` comes from the settings."""

WINDOW_END: Final[Mapping[str, Callable[[datetime, timedelta], Value]]] = {
    "seconds_left": lambda now, left: left // _SECOND,
    "minutes_left": lambda now, left: left // _MINUTE or 1,
    "expires_at": lambda now, left: f"{(now + left).astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z",
}
"""The end of the window, within the bounds of the provider and rounded down, by the time left."""

RECEIPT_URL: Final = "receipt_url"
_NAMES: Final = sorted({*PLACEHOLDERS, *WINDOW_END, RECEIPT_URL})


def message_values(
    message: Outgoing,
    *,
    receipt_url: str | None,
    names: Iterable[str],
    time_left: Callable[[Outgoing], tuple[datetime, timedelta]],
) -> Values:
    """Return the values of these placeholders; `time_left` is called once if one of them needs it."""
    values: dict[str, Value] = {RECEIPT_URL: receipt_url}
    left: tuple[datetime, timedelta] | None = None
    for name in names:
        if name in WINDOW_END:
            left = left or time_left(message)
            values[name] = WINDOW_END[name](*left)
        elif name in PLACEHOLDERS:
            values[name] = PLACEHOLDERS[name](message)
    return values


def check_placeholders(template: Json) -> None:
    """Raise ValueError for an unknown placeholder or a single brace."""
    match template:
        case str():
            for token in _TOKEN.finditer(template):
                _check_token(token)
        case list():
            for item in template:
                check_placeholders(item)
        case dict():
            for item in template.values():
                check_placeholders(item)


def placeholders_in(template: str) -> frozenset[str]:
    """Return the names of the placeholders in one string."""
    return frozenset(token[1] for token in _TOKEN.finditer(template) if token[1])


def placeholders_within(template: Json) -> frozenset[str]:
    """Return the names of the placeholders in all strings of a JSON template."""
    match template:
        case str():
            return placeholders_in(template)
        case list():
            return frozenset().union(*map(placeholders_within, template))
        case dict():
            return frozenset().union(*map(placeholders_within, template.values()))
    return frozenset()


def fill(template: str, values: Values) -> str:
    """Return a string with its placeholders filled; a missing value becomes empty."""

    def replace(token: re.Match[str]) -> str:
        if not token[1]:
            return token[0][0]
        value = values[token[1]]
        return "" if value is None else str(value)

    return _TOKEN.sub(replace, template)


def fill_fields(template: Mapping[str, str], values: Values) -> dict[str, str]:
    """Return a form, query or headers filled, without fields whose only placeholder has no value."""
    return {
        name: fill(text, values) for name, text in template.items() if _typed_value(text, values) is not None
    }


def fill_json(template: Json, values: Values) -> Json:
    """
    Return a JSON template with all strings filled; keys stay as they are.

    A string that is one placeholder becomes the value with its type, so
    "{segments}" is a number. A member whose value is missing is left out.
    """
    match template:
        case str():
            return _typed_value(template, values)
        case list():
            return [fill_json(item, values) for item in template]
        case dict():
            filled = ((name, item, fill_json(item, values)) for name, item in template.items())
            return {name: value for name, item, value in filled if value is not None or item is None}
    return template


def _typed_value(text: str, values: Values) -> Value:
    if token := _ONE_PLACEHOLDER.fullmatch(text):
        return values[token[1]]
    return fill(text, values)


def _check_token(token: re.Match[str]) -> None:
    name = cast("str | None", token[1])
    if name is not None and name not in _NAMES:
        raise ValueError(f"the placeholder {{{name}}} is {unknown_name(name, _NAMES)}")
    if token[0] in ("{", "}"):
        raise ValueError(f"a single {token[0]!r} at {token.start()}; write it twice for a literal brace")
