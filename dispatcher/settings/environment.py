"""Values of the environment: read from files, parsed, checked, and named in faults."""

import json
import os
import re
from collections.abc import Container, Iterator
from pathlib import Path

from pydantic import SecretStr

from dispatcher.domain.errors import Misconfigured


def check_url(name: str, url: SecretStr, schemes: str, *, like: str) -> None:
    """Raise Misconfigured for a wrong scheme, without quoting the URL: it may have a password anywhere."""
    scheme, found, _ = url.get_secret_value().partition("://")
    if not found or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        raise Misconfigured(f"{name} is not like {like}")
    if not re.fullmatch(schemes, scheme):
        raise Misconfigured(f"{name} is not like {like}: its scheme is {scheme!r}")


def read_files(fields: Container[str]) -> Iterator[tuple[str, str]]:
    """Yield the field and value of each `NAME_FILE` whose `NAME` is not set. Raises Misconfigured."""
    for name, path in os.environ.items():
        field = name.removesuffix("_FILE").removeprefix("DISPATCHER_").lower()
        is_set = bool(os.environ.get(name.removesuffix("_FILE")))
        if name.endswith("_FILE") and field in fields and not is_set:
            try:
                yield field, Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                text = f"{name} names a file that cannot be read: {path} ({error.strerror})"
                raise Misconfigured(text) from None


def parse_json(name: str, raw: str) -> object:
    """Return the value of a variable that is JSON. Raises Misconfigured."""
    try:
        return json.loads(raw)
    except ValueError as error:
        raise Misconfigured(f"{name} is not JSON: {error}") from None


def variable_of(location: tuple[int | str, ...]) -> str:
    """Return the variable, and the place in its value, that pydantic's location of a fault means."""
    first, *rest = [str(part) for part in location]
    name = first if first.isupper() else f"DISPATCHER_{first.upper()}"
    return ".".join([name, *rest])
