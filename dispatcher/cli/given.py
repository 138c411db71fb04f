"""Values as people type them: texts from a pipe, name=value, a number or the word `none`."""

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
    """Give a text; "-" reads it from standard input, without the end of its last line. Raises Invalid."""
    if given != "-":
        return given
    try:
        text = sys.stdin.read().removesuffix("\n")
    except UnicodeDecodeError:
        raise Invalid("standard input is not UTF-8") from None
    if "\0" in text:
        raise Invalid("standard input holds a NUL character, which no text can")
    return text


def read_name(given: str) -> int | UUID:
    """Give what a thing is named by: its number or its public id. Raises Invalid."""
    if given.isascii() and given.isdigit() and len(given) < 19:
        return int(given)
    try:
        return UUID(given)
    except ValueError:
        raise Invalid(f"{given!r} is neither a number nor a public id") from None


def read_line(file: Path) -> str:
    """Give a file's only line, such as a password. Raises Invalid, and OSError."""
    try:
        content = file.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Invalid(f"{file} is not UTF-8") from None
    if "\n" in content or "\r" in content:
        raise Invalid(f"{file} has several lines, where one is wanted")
    return content


def read_pairs(given: Sequence[str]) -> Mapping[str, str]:
    """Read name=value words. Raises Invalid for one that has no "=", and for a name that comes twice."""
    pairs: dict[str, str] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise Invalid(f"{word!r} is no variable: give name=value")
        if name in pairs:
            raise Invalid(f"{name} is given twice")
        pairs[name] = value
    return pairs


def changed(kept: T | None, given: str | None, read: Callable[[str], T]) -> T | None:
    """Give what an option asks for: None leaves what there is, and the word `none` lifts it."""
    if given is None:
        return kept
    return None if given == NONE else read(given)


def read_whole(option: str, given: str) -> int:
    """Read a whole number. Raises Invalid, which names the option it came from."""
    if not (given.isascii() and given.isdigit() and len(given) <= len(str(_MOST)) and int(given) <= _MOST):
        raise Invalid(f"{option} {given!r} is no number: give a whole number up to {_MOST:,}, or {NONE}")
    return int(given)
