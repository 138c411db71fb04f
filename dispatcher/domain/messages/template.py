"""Texts with variables: only `{{name}}` is replaced, and the values are not templates themselves."""

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\{\{([A-Za-z0-9_.-]{1,64})\}\}")


class MissingVariables(ValueError):
    """The variables of a template that have no value."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(f"no value for {', '.join(names)}")


def variables(template: str) -> tuple[str, ...]:
    """Return the names of the variables of a template, each once, in order."""
    return tuple(dict.fromkeys(_VARIABLE.findall(template)))


def render(template: str, values: Mapping[str, str]) -> str:
    """Return a template with its variables replaced; other values are ignored. Raises MissingVariables."""
    missing = tuple(name for name in variables(template) if name not in values)
    if missing:
        raise MissingVariables(missing)
    return _VARIABLE.sub(lambda found: values[found[1]], template)
