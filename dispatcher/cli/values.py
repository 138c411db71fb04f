"""Values as they are typed: texts from a pipe, name=value, a number or the word `none`."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from dispatcher.domain.errors import Invalid

T = TypeVar("T")

NONE = "none"
_MOST = 10**9


def read_text(given: str) -> str:
    """Return a text; "-" reads it from standard input, without its last line break. Raises Invalid."""
    if given != "-":
        return given
    try:
        text = sys.stdin.read().removesuffix("\n")
    except UnicodeDecodeError:
        raise Invalid("standard input is not UTF-8") from None
    if "\0" in text:
        raise Invalid("standard input holds a NUL character, which no text can")
    return text


def read_id(given: str) -> int | UUID:
    """Return the number or the public id that was typed. Raises Invalid."""
    if given.isascii() and given.isdigit() and len(given) < 19:
        return int(given)
    try:
        return UUID(given)
    except ValueError:
        raise Invalid(f"{given!r} is neither a number nor a public id") from None


def read_single_line(file: Path) -> str:
    """Return a file's only line, such as a password. Raises Invalid, and OSError."""
    try:
        content = file.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Invalid(f"{file} is not UTF-8") from None
    if "\n" in content or "\r" in content:
        raise Invalid(f"{file} has several lines, where one is wanted")
    return content


def read_variables(given: Sequence[str]) -> Mapping[str, str]:
    """Return the values of name=value words. Raises Invalid for a word without "=", and a repeated name."""
    pairs: dict[str, str] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise Invalid(f"{word!r} is no variable: give name=value")
        if name in pairs:
            raise Invalid(f"{name} is given twice")
        pairs[name] = value
    return pairs


def updated(kept: T | None, given: str | None, read: Callable[[str], T]) -> T | None:
    """Return the new value of a setting: without an option the old one, None for the word `none`."""
    if given is None:
        return kept
    return None if given == NONE else read(given)


def read_whole_number(option: str, given: str) -> int:
    """Return a whole number. Raises Invalid, which names the option."""
    if not (given.isascii() and given.isdigit() and len(given) <= len(str(_MOST)) and int(given) <= _MOST):
        raise Invalid(f"{option} {given!r} is no number: give a whole number up to {_MOST:,}, or {NONE}")
    return int(given)
