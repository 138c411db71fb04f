"""Dotted paths into JSON: `messages.0.id` is one value, `messages.*.id` one per item, a list its items."""

import json
from typing import cast

from dispatcher.domain.messages.text import storable_text
from dispatcher.providers.generic_http.template import Json


def parse_json(body: bytes) -> Json:
    """Return the JSON value. Raises ValueError if it is not JSON or nested too deeply."""
    try:
        return cast("Json", json.loads(body))
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def find_values(document: Json, path: str) -> tuple[Json, ...]:
    """Return the values at this path, in order and without nulls; none if the path does not exist."""
    found: list[Json] = [document]
    for step in path.split(".") if path else ():
        found = [below for value in found for below in _step(value, step)]
    return tuple(value for value in _flattened(found) if value is not None)


def as_text(value: Json) -> str:
    """
    Return a value as it is written in the settings: text as it is, others as JSON.

    NUL and half a surrogate pair, which Postgres cannot store, become a question mark.
    """
    return storable_text(value if isinstance(value, str) else json.dumps(value), nul="?")


def first_text(document: Json, path: str | None) -> str | None:
    """Return the first value at this path as text; None if there is no path or no value."""
    if path is None:
        return None
    found = find_values(document, path)
    return as_text(found[0]) if found else None


def _step(value: Json, step: str) -> list[Json]:
    match value:
        case dict() if step == "*":
            return list(value.values())
        case dict():
            return [value[step]] if step in value else []
        case list() if step == "*":
            return value
        case list() if step.isdecimal() and int(step) < len(value):
            return [value[int(step)]]
    return []


def _flattened(found: list[Json]) -> list[Json]:
    return [item for value in found for item in (value if isinstance(value, list) else [value])]
