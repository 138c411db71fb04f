"""References in the options of a provider, so that a file with options holds no secret."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_REFERENCE: Final = re.compile(r"\$\{(DISPATCHER_[A-Z0-9_]+)\}")


def resolve_references(value: object, environ: Mapping[str, str] = os.environ) -> object:
    """
    Return the value with each "${DISPATCHER_NAME}" replaced by the variable, or by the content of its _FILE.

    Raises ValueError for a reference to nothing, and for one that is not a whole value.
    """
    match value:
        case str() if reference := _REFERENCE.search(value):
            if reference[0] != value:
                raise ValueError(f"{reference[0]} must be a whole value: it is not replaced within a text")
            return _variable(reference[1], environ)
        case dict():
            return {name: resolve_references(item, environ) for name, item in value.items()}
        case list():
            return [resolve_references(item, environ) for item in value]
    return value


def _variable(name: str, environ: Mapping[str, str]) -> str:
    if found := environ.get(name):
        return found
    path = environ.get(f"{name}_FILE")
    if not path:
        raise ValueError(f"${{{name}}} is not set: set {name}, or {name}_FILE")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"{name}_FILE names a file that cannot be read: {path} ({error.strerror})") from None
