"""Texts with variables: `{{name}}` and nothing else is replaced; what a variable holds is not read again."""

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\{\{([A-Za-z0-9_.-]{1,64})\}\}")


class MissingVariables(ValueError):
    """Variables that the template names and nobody gave."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(f"no value for {', '.join(names)}")


def variables(template: str) -> tuple[str, ...]:
    """Name the variables of a template, each once, in their order."""
    return tuple(dict.fromkeys(_VARIABLE.findall(template)))


def render(template: str, values: Mapping[str, str]) -> str:
    """Fill a template in; values it does not name are ignored. Raises MissingVariables with all of them."""
    missing = tuple(name for name in variables(template) if name not in values)
    if missing:
        raise MissingVariables(missing)
    return _VARIABLE.sub(lambda found: values[found[1]], template)
