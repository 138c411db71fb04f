"""
Documents that people and programs write, such as bodies and options: what is unknown in them is refused.

If a misspelt name were ignored, the names that are spelt correctly would mean
something else: a message without its start is sent at once.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Self, cast

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from dispatcher.domain.errors import FieldError
from dispatcher.domain.spelling import unknown_name

_UNKNOWN = "extra_forbidden"
_KINDS_WITH_VALUE = (
    *("int_", "float_", "bool_", "finite_", "greater_", "less_", "enum", "literal_", "uuid_"),
    *("date", "time", "status", "digits", "order"),
)
"""The faults whose value is shown. A text that is too long or of the wrong form may be a secret."""

_LONGEST_VALUE = 50


class StrictModel(BaseModel):
    """A document without unknown names; the fault of one has the name that was probably meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="wrap")
    @classmethod
    def _name_the_likely(cls, document: object, read: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return read(document)
        except ValidationError as error:
            faults = error.errors(include_url=False)
            if all(fault["type"] != _UNKNOWN for fault in faults):
                raise
            known = [field.alias or name for name, field in cls.model_fields.items()]
            lines = [_line(fault, known) for fault in faults]
            raise ValidationError.from_exception_data(cls.__name__, lines) from None


def field_errors(
    faults: Iterable[ErrorDetails], document: object, *, with_values: bool = False
) -> list[FieldError]:
    """
    Return pydantic's faults of a document, one for each field.

    `with_values` adds the value that is wrong, where it cannot be a secret.
    """
    sentences: dict[str, list[str]] = {}
    values: dict[str, str] = {}
    for fault in faults:
        field = _field(fault["loc"], document)
        found = sentences.setdefault(field, [])
        if (sentence := _sentence(fault)) not in found:
            found.append(sentence)
        if with_values and (value := _shown_value(fault)):
            values[field] = f", not {value}"
    return [FieldError(name, ", or ".join(parts) + values.get(name, "")) for name, parts in sentences.items()]


def without_faults(document: Mapping[str, object], faults: Iterable[ErrorDetails]) -> dict[str, object]:
    """Return the fields of a document that have no fault; a list loses only the entries that have one."""
    rest = dict(document)
    wrong: dict[str, set[int]] = {}
    for fault in faults:
        match fault["loc"]:
            case [str(name), int(position), *_] if isinstance(document.get(name), list):
                wrong.setdefault(name, set()).add(position)
            case [str(name), *_]:
                rest.pop(name, None)
    for name in wrong.keys() & rest.keys():
        entries = cast("list[object]", rest[name])
        rest[name] = [entry for position, entry in enumerate(entries) if position not in wrong[name]]
        if not rest[name]:
            del rest[name]
    return rest


def describe(error: ValidationError, document: object) -> str:
    """Return all faults of a document in one line, without its values."""
    faults = field_errors(error.errors(include_input=False, include_url=False), document)
    return "; ".join(f"{fault.field or 'options'}: {fault.sentence}" for fault in faults)


def _line(fault: ErrorDetails, known: list[str]) -> InitErrorDetails:
    """Return a fault that can be raised again; one of an unknown name gets the likely one."""
    kind, text = fault["type"], fault["msg"]
    if kind == _UNKNOWN:
        kind, text = "unknown", unknown_name(str(fault["loc"][-1]), known)
    return InitErrorDetails(
        type=PydanticCustomError(kind, "{text}", {"text": text}), loc=fault["loc"], input=fault["input"]
    )


def _field(location: tuple[int | str, ...], document: object) -> str:
    """Return the dotted path of a field, without the names that pydantic gives to the members of a union."""
    path: list[str] = []
    for step in location:
        inside = document
        match document:
            case Mapping() if step in document:
                inside = document[step]
            case list() if isinstance(step, int) and step < len(document):
                inside = document[step]
            case Mapping() if step == location[-1]:
                inside = None  # it is missing
            case _:
                continue
        path.append(str(step))
        document = inside
    return ".".join(path)


def _sentence(fault: ErrorDetails) -> str:
    text = fault["msg"].removeprefix("Value error, ").replace("Input should", "must", 1)
    match fault["type"]:
        case "missing":
            return "is missing"
        case "string_pattern_mismatch" if "x00" in text:
            return "must have no NUL character"
        case "int_type":
            return "must be a whole number"
        case "float_type":
            return "must be a number"
        case "bool_type":
            return "must be true or false"
        case "string_type":
            return "must be a text"
    return text


def _shown_value(fault: ErrorDetails) -> str | None:
    value, kind = fault.get("input"), fault["type"]
    is_scalar = value is None or isinstance(value, str | bool | int | float)
    if not is_scalar or not kind.startswith(_KINDS_WITH_VALUE):
        return None
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _LONGEST_VALUE else f"{shown[:_LONGEST_VALUE]}…"
