"""Groups of options that several commands share, each declared as a dataclass."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import Field, fields, is_dataclass
from inspect import Parameter
from typing import Any, cast, get_type_hints


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """
    Return the command with each dataclass parameter replaced by one option for each of its fields.

    Fields are annotated like a command's parameters, and have defaults. The
    command is called with instances of the dataclasses.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    flat: list[Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in groups:
            flat += _options(groups[parameter.name])
        else:
            flat.append(parameter.replace(annotation=hints[parameter.name], kind=Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        instances = {
            name: cast("Any", group)(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**instances, **values)

    wrapper.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    return wrapper


def _options(group: Any) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [_option(field, hints[field.name]) for field in fields(group)]


def _option(field: "Field[Any]", annotation: object) -> Parameter:
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=annotation)
