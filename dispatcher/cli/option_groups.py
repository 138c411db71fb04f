"""Groups of options that several commands share: the fields of a dataclass."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import Field, fields, is_dataclass
from inspect import Parameter
from typing import Any, cast, get_type_hints


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """
    Return a command with the fields of each dataclass parameter as options in its place.

    Fields are annotated like a command's own parameters, and have defaults.
    The command itself is called with the dataclass.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    shown: list[Parameter] = []
    for own in inspect.signature(command).parameters.values():
        if own.name in groups:
            shown += _options(groups[own.name])
        else:
            shown.append(own.replace(annotation=hints[own.name], kind=Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def called(**typed: Any) -> None:
        made = {
            name: cast("Any", group)(**{field.name: typed.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**made, **typed)

    called.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return called


def _options(group: Any) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [_option(field, hints[field.name]) for field in fields(group)]


def _option(field: "Field[Any]", annotation: object) -> Parameter:
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=annotation)
