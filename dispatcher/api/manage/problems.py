"""The errors of the management API: problem details (RFC 9457), as responses and in OpenAPI."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from typing import cast

from fastapi.exceptions import RequestValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException

from dispatcher.api.errors import PROBLEM, ErrorResponse, problem
from dispatcher.api.openapi import Responses
from dispatcher.domain.errors import Fault, FieldError, InvalidFields, InvalidSubmission
from dispatcher.strict_model import field_errors

_NAMES = {"sender_id": "sender"}  # of fields of a submission that have another name here
_SCHEMA = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "faults": {  # of parameters, of a body, of a batch, of a campaign's plan, and of routes
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
                "required": ["field", "detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}


def problems(**texts: str) -> Responses:
    """Return the description of error responses for OpenAPI, such as `_404="No such account"`."""
    content = {PROBLEM: {"schema": _SCHEMA}}
    return {code.removeprefix("_"): {"description": text, "content": content} for code, text in texts.items()}


def envelope(error: ErrorResponse) -> object:
    """Return the body of an error, with each field that is wrong."""
    match error.error:
        case InvalidFields(faults=faults):
            found = list(faults)
        case InvalidSubmission(faults=faults):
            found = submission_faults(faults)
        case _:
            return problem(error)
    listed = [{"field": fault.field, "detail": fault.sentence} for fault in found]
    return {**problem(error), "faults": listed}


def submission_faults(faults: Iterable[Fault]) -> list[FieldError]:
    """Return the faults of a submission, by the names of its fields here."""
    return [
        FieldError(_NAMES.get(fault.field, fault.field), str(fault).removeprefix(fault.field).strip())
        for fault in faults
    ]


def from_validation(error: RequestValidationError) -> HTTPException | InvalidFields:
    """Return 404 for a path parameter that is not valid, else all faults of the query and the body."""
    faults = error.errors()
    if any(fault["loc"][0] == "path" for fault in faults):
        return HTTPException(404)
    found: list[FieldError] = []
    for place, group in groupby(faults, key=lambda fault: fault["loc"][0]):
        inside = [{**fault, "loc": fault["loc"][1:]} for fault in group]
        document = error.body if place == "body" else None
        if document is None:  # pydantic saw the parameters one by one
            document = {fault["loc"][0]: fault["input"] for fault in inside if fault["loc"]}
        found += field_errors(cast("list[ErrorDetails]", inside), document, with_values=True)
    return InvalidFields([replace(fault, field=fault.field or "body") for fault in found])
