"""Parsers of values on the command line: texts, ids, name=value, numbers and the word `none`."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from dispatcher.domain.errors import Invalid

T = TypeVar("T")

NONE = "none"
_MAX = 10**9


def read_text(typed: str) -> str:
    """Return a text; "-" reads it from standard input, without its last line break. Raises Invalid."""
    if typed != "-":
        return typed
    try:
        text = sys.stdin.read().removesuffix("\n")
    except UnicodeDecodeError:
        raise Invalid("standard input is not UTF-8") from None
    if "\0" in text:
        raise Invalid("standard input holds a NUL character, which a text must not contain")
    return text


def read_id(typed: str) -> int | UUID:
    """Return a number or a public id. Raises Invalid."""
    if typed.isascii() and typed.isdigit() and len(typed) < 19:
        return int(typed)
    try:
        return UUID(typed)
    except ValueError:
        raise Invalid(f"{typed!r} is neither a number nor a public id") from None


def read_single_line(file: Path) -> str:
    """Return a file's only line, such as a password. Raises Invalid, and OSError."""
    try:
        content = file.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Invalid(f"{file} is not UTF-8") from None
    if "\n" in content or "\r" in content:
        raise Invalid(f"{file} has several lines, but must have one")
    return content


def read_json_object(file: Path, *, example: str) -> Mapping[str, object]:
    """Return the JSON object in a file. Raises Invalid, which shows the example, and OSError."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Invalid(f"{file} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Invalid(f"{file} must hold an object like {example}")
    return value


def read_variables(typed: Sequence[str]) -> Mapping[str, str]:
    """Return the variables of name=value words. Raises Invalid for a missing "=" or a repeated name."""
    variables: dict[str, str] = {}
    for word in typed:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise Invalid(f"{word!r} is not a variable: give name=value")
        if name in variables:
            raise Invalid(f"variable {name} is given twice")
        variables[name] = value
    return variables


def updated(current: T | None, typed: str | None, read: Callable[[str], T]) -> T | None:
    """Return the value an option gives: the current one without the option, None for the word `none`."""
    if typed is None:
        return current
    return None if typed == NONE else read(typed)


def read_whole_number(option: str, typed: str) -> int:
    """Return a whole number. Raises Invalid, which names the option."""
    if not (typed.isascii() and typed.isdigit() and len(typed) <= len(str(_MAX)) and int(typed) <= _MAX):
        raise Invalid(f"{option} {typed!r} is not a number: give a whole number up to {_MAX:,}, or {NONE}")
    return int(typed)
